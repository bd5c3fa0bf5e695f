"""The SUR-adapter as a text encoder: what every diffusers pipeline of Stable Diffusion 1.x and 2.x takes for its own.

The adapter's own states come out as ``last_hidden_state``. A pipeline that holds it is saved and loaded whole
(``save_pretrained``, ``from_pretrained``), as long as this module was imported before: diffusers looks a component's
class up in the module that defines it, and there among the classes that it knows how to load, hence ``PreTrainedModel``
below. Such a pipeline sends the negative prompt through its text encoder as well; a text that shall stay as it is is
known by its tokens (ADR 0032).
"""

from collections.abc import Sequence
from typing import Any

import torch

from pipeline.adapters.settings import AdapterParams
from pipeline.adapters.sur import SurAdapter
from pipeline.pretrained import quiet_transformers

quiet_transformers()  # before transformers' CLIP, which imports torchvision

from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedModel  # noqa: E402


class SurTextConfig(CLIPTextConfig):
    """A text encoder's configuration and, in ``sur``, the adapter's: all that builds it, and its dial."""

    model_type = "sur_text_model"

    def __init__(self, sur: dict[str, Any] | None = None, **others: Any) -> None:
        self.sur: dict[str, Any] = sur or {}
        super().__init__(**others)


class SurTextModel(CLIPTextModel):
    """CLIP's text encoder with the adapter behind it.

    Args:
        config: with ``sur``: ``adapter`` (section ``adapter``), ``llm_width``, ``w0_seed``, ``eta`` and ``untouched``
            (tokens of the texts that are not adapted).
    """

    config_class = SurTextConfig
    config: SurTextConfig
    _keep_in_fp32_modules = ("adapter",)
    _keep_in_fp32_modules_strict = ("adapter",)

    def __init__(self, config: SurTextConfig) -> None:
        super().__init__(config)
        about = config.sur
        self.adapter = SurAdapter(
            AdapterParams.model_validate(about["adapter"]),
            width=config.hidden_size,
            llm_width=about["llm_width"],
            w0_seed=about["w0_seed"],
        )
        self._before: list[Any] = []  # in a list, so that it is no part of this module
        self.eval().requires_grad_(False)

    @property
    def before(self) -> Any:
        """The text encoder that a pipeline had before; None where it was loaded with this one."""
        return self._before[0] if self._before else None

    def remember(self, text_encoder: Any) -> None:
        """Keep what a pipeline had before."""
        self._before = [text_encoder]

    @classmethod
    def around(
        cls,
        text_encoder: Any,
        adapter: SurAdapter,
        *,
        eta: float | None = None,
        untouched: Sequence[Sequence[int]] = (),
    ) -> "SurTextModel":
        """The drop-in of a loaded text encoder and adapter; it shares their weights.

        Args:
            text_encoder: a ``CLIPTextModel``.
            adapter: trained for it.
            eta: the dial; None takes the trained one.
            untouched: tokens of texts that are not adapted, for instance those of the negative prompt.

        Raises:
            ValueError: ``eta`` is outside of 0 to 1.
        """
        about = {
            "adapter": adapter.config.model_dump(mode="json"),
            "llm_width": adapter.llm_width,
            "w0_seed": 0,  # W0 comes with the weights
            "eta": adapter.config.eta if eta is None else _dial(eta),
            "untouched": [list(tokens) for tokens in untouched],
        }
        settings = {name: value for name, value in text_encoder.config.to_dict().items() if name != "model_type"}
        with torch.device("meta"):  # its parts are replaced
            made = cls(SurTextConfig(sur=about, **settings))
        for name, part in text_encoder.named_children():
            setattr(made, name, part)
        made.adapter = adapter
        made.eval()
        return made

    @property
    def eta(self) -> float:
        """The dial, 0 to 1; 0 is the base model, bit for bit."""
        return float(self.config.sur["eta"])

    @eta.setter
    def eta(self, value: float) -> None:
        self.config.sur["eta"] = _dial(value)

    def forward(self, input_ids: torch.Tensor, *positional: Any, **named: Any) -> Any:
        """As :class:`CLIPTextModel`, the adapted states (batch, tokens, width) in ``last_hidden_state``.

        Raises:
            ValueError: states of earlier layers are asked for, as diffusers' ``clip_skip`` does: they are not adapted.
        """
        if named.get("output_hidden_states"):
            raise ValueError("the SUR-adapter works on the last hidden state: clip_skip would pass it by, leave it out")
        output = super().forward(input_ids, *positional, **named)
        x = output["last_hidden_state"]
        adapted = self.adapter(x.float(), eta=self.eta).condition.to(x.dtype)
        output["last_hidden_state"] = torch.where(self._untouched(input_ids).view(-1, 1, 1), x, adapted)
        return output

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """``to(float16)`` is for the text encoder: the adapter's weights move with it and stay in float32."""
        adapter = self._modules.pop("adapter")
        try:
            super()._apply(fn, recurse)
        finally:
            self._modules["adapter"] = adapter
        if adapter is not None:
            adapter._apply(lambda tensor: _moved(tensor, fn), recurse)
        return self

    def _untouched(self, input_ids: torch.Tensor) -> torch.Tensor:
        """(batch,) bool: rows whose tokens are those of a text that stays as it is."""
        rows = input_ids.reshape(-1, input_ids.shape[-1])
        found = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
        for tokens in self.config.sur["untouched"]:
            if len(tokens) == rows.shape[1]:
                found |= (rows == torch.tensor(tokens, device=rows.device)).all(dim=1)
        return found


def _dial(eta: float) -> float:
    if not 0.0 <= eta <= 1.0:
        raise ValueError(f"eta must be 0 to 1, got {eta}")
    return eta


__all__ = ["PreTrainedModel", "SurTextConfig", "SurTextModel"]


def _moved(tensor: torch.Tensor, fn: Any) -> torch.Tensor:
    """What ``fn`` makes of a tensor, in the tensor's own type."""
    made: torch.Tensor = fn(tensor)
    changed = tensor.is_floating_point() and not tensor.is_meta and made.dtype != tensor.dtype
    return tensor.to(made.device) if changed else made
