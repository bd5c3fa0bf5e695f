"""The kinds of adapters side by side: what each makes of a prompt, and all that one training trains."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from pipeline.adapters.llm4gen import CrossAdapter
from pipeline.adapters.llmdiff import Blocks, LlmDiffAdapter
from pipeline.adapters.official import OfficialAdapter
from pipeline.adapters.settings import AdapterParams
from pipeline.adapters.sur import SurAdapter

UNET = "unet"  # the name of the U-Net's parts among the parts of a training


class NoAdapter(nn.Module):
    """Nothing between text encoder and U-Net: the control whose U-Net parts alone are trained.

    Args:
        config: section ``adapter``, for the dial eta.
        width: of the text states.
    """

    def __init__(self, config: AdapterParams, *, width: int) -> None:
        super().__init__()
        self.config = config
        self.width = width

    def forward(self, text_states: torch.Tensor) -> torch.Tensor:
        """The text states as they are."""
        return text_states


Adapter = SurAdapter | OfficialAdapter | CrossAdapter | LlmDiffAdapter | NoAdapter
"""What can be put between a text encoder and a U-Net, or in the encoder's place."""


def condition(
    adapter: SurAdapter | OfficialAdapter | CrossAdapter | NoAdapter,
    text_states: torch.Tensor,
    llm_states: torch.Tensor | Blocks | None = None,
    *,
    eta: float | None = None,
) -> torch.Tensor:
    """What the U-Net's cross-attention gets of some prompts.

    Args:
        adapter: of a kind that makes its condition of text states.
        text_states: x (batch, tokens, width) float32.
        llm_states: (batch, LLM tokens, LLM width) of the same prompts, for the kind that needs the LLM.
        eta: the dial, 0 to 1; None takes the configured one. At 0 this is ``text_states``, bit for bit.

    Returns:
        (batch, tokens, width), with llm4gen above eta 0 as many tokens more as it takes of the LLM.

    Raises:
        ValueError: the kind needs the LLM's states of one layer and there are none.
    """
    match adapter:
        case SurAdapter() | OfficialAdapter():
            made: torch.Tensor = adapter(text_states, eta=eta).condition
            return made
        case CrossAdapter():
            if not isinstance(llm_states, torch.Tensor):
                raise ValueError("kind llm4gen needs the LLM's states of the prompts")
            joined: torch.Tensor = adapter(text_states, llm_states, eta=eta)
            return joined
        case NoAdapter():
            return text_states


def of_other_features(adapter: Adapter | None) -> bool:
    """Whether its conditions are longer or wider than the base model's: no batch can hold both."""
    return isinstance(adapter, CrossAdapter | LlmDiffAdapter)


class Learned(nn.Module):
    """All that one training trains, as one module: optimiser, averages, checkpoints and processes see nothing else.

    Args:
        adapter: the network of the kind.
        unet: trained parameters of the U-Net by their names there; they stay the U-Net's own.
    """

    def __init__(self, adapter: Adapter, unet: Mapping[str, nn.Parameter]) -> None:
        super().__init__()
        self.adapter = adapter
        self.unet = nn.ParameterDict({_registered(name): parameter for name, parameter in unet.items()})
        self._names = list(unet)

    def forward(self, *inputs: Any) -> Any:
        """What the network makes of its inputs; the U-Net runs elsewhere, its gradients come here all the same."""
        return self.adapter(*inputs)

    @property
    def unet_values(self) -> dict[str, torch.Tensor]:
        """The U-Net's trained parameters by their names there, without gradient."""
        return {name: self.unet[_registered(name)].detach() for name in self._names}

    def parts(self) -> dict[str, list[nn.Parameter]]:
        """What is trained, by part: the network's direct parts, and the U-Net's as one."""
        parts = {name: list(part.parameters()) for name, part in self.adapter.named_children()}
        parts[UNET] = list(self.unet.parameters())
        return {name: parameters for name, parameters in parts.items() if parameters}

    def counts(self) -> dict[str, int]:
        """Numbers that are trained, by part."""
        return {name: sum(parameter.numel() for parameter in part) for name, part in self.parts().items()}


def _registered(name: str) -> str:
    """A name without dots, which torch keeps for submodules."""
    return name.replace(".", "/")
