"""Prompt weighting by compel: the words that a prompt's content hangs on weigh more than the others."""

import functools
from itertools import groupby
from typing import Any

import torch

from pipeline.adapters.kinds import NoAdapter
from pipeline.adapters.sur import SurAdapter
from pipeline.describing import tagged
from pipeline.diffusion import Diffusion
from pipeline.encoding import KEPT_TEXTS, Encoded, Encoder
from pipeline.errors import SettingError
from pipeline.methods.settings import WeightingParams

EMPHASISED = ("CD", "JJ", "NN", "VB")
"""Beginnings of the Penn Treebank's tags of numbers, adjectives, nouns and verbs."""
MARKS = ".,;:!?()[]{}\"'"
REFUSED = "sample.methods: weighting works with kinds sur and none, without adapter.compat: official and SDXL"

Fragment = tuple[str, float]
"""A piece of a prompt and its weight."""


def fragments(text: str, factor: float) -> list[Fragment]:
    """A prompt in pieces: numbers, adjectives, nouns and verbs with weight ``factor``, the rest with 1.

    The pieces joined by spaces are the text, but for its own white space, which no CLIP tokenizer tells apart.
    """
    content = {word.lower() for word, kind in tagged(text) if kind.startswith(EMPHASISED)}
    weights = [(word, factor if word.strip(MARKS).lower() in content else 1.0) for word in text.split()]
    return [(" ".join(word for word, _ in run), weight) for weight, run in groupby(weights, key=lambda each: each[1])]


class WeightedEncoder:
    """Encodes prompts with weights; the negative prompt has none, and is adapted where ``plain`` adapts it.

    Args:
        diffusion: the frozen base model.
        plain: encodes without weights.
        config: factor and order.

    Raises:
        SettingError: an adapter that needs more than one text's states, or SDXL.
    """

    def __init__(self, diffusion: Diffusion, plain: Encoder, config: WeightingParams) -> None:
        adapter = plain.adapter
        if not (adapter is None or isinstance(adapter, SurAdapter | NoAdapter)) or diffusion.text_encoder_2 is not None:
            raise SettingError(REFUSED)
        self.plain, self.config = plain, config
        self._base = _compel(diffusion, diffusion.text_encoder)
        self._wrapped = self._base
        if isinstance(adapter, SurAdapter) and config.adapter_order == "wrap":
            from pipeline.drop_in import SurTextModel  # imports transformers

            self._wrapped = _compel(diffusion, SurTextModel.around(diffusion.text_encoder, adapter, eta=plain.eta))
        self._pair = functools.lru_cache(maxsize=KEPT_TEXTS)(self._encoded)

    @torch.no_grad()
    def __call__(self, text: str, adapted: bool) -> Encoded:
        """One prompt's conditions; those of the last 256 are kept."""
        return self._pair(text, adapted)

    def _encoded(self, text: str, adapted: bool) -> Encoded:
        negative = self.plain(text, adapted).negative
        states = self._weighted(self._wrapped if adapted else self._base, text)
        after = adapted and self.config.adapter_order == "after"
        prompt = negative.replaced(states)
        return Encoded(negative, self.plain.adapt(prompt) if after else prompt)

    def _weighted(self, compel: Any, text: str) -> torch.Tensor:
        """Weighted states (1, tokens, width); longer prompts are cut as without weights."""
        from compel.prompt_parser import FlattenedPrompt

        prompt = FlattenedPrompt(fragments(text, self.config.factor))
        (states, _), _ = compel.build_conditioning_tensor_for_prompt_object(prompt)
        weighted: torch.Tensor = states
        return weighted


def _compel(diffusion: Diffusion, text_encoder: Any) -> Any:
    from compel import Compel  # imports transformers' CLIP: diffusion has seen to torchvision

    return Compel(tokenizer=diffusion.tokenizer, text_encoder=text_encoder)
