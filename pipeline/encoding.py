"""The only place where an adapter meets the text: a prompt becomes what guidance leads to, and what it leads away from.

Each text is encoded alone, so that it does not depend on its neighbours; an official adapter gets the negative prompt
and one text together, as in its authors' pipeline (ADR 0022).
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch

from pipeline.adapters import kinds
from pipeline.adapters.kinds import Adapter
from pipeline.adapters.llm4gen import CrossAdapter
from pipeline.adapters.llmdiff import LlmDiffAdapter
from pipeline.adapters.official import OfficialAdapter
from pipeline.branched_encoding import BranchedEncoder
from pipeline.diffusion import Diffusion
from pipeline.padded_states import TextStatesOf
from pipeline.text_encoding import TextStates, joined

KEPT_TEXTS = 256


class Encoded(NamedTuple):
    """What a diffusers pipeline takes in the place of one prompt, in the model's number format."""

    negative: TextStates
    """What guidance leads away from, (1, tokens, width)."""
    prompt: TextStates
    """What it leads to."""


Encode = Callable[[str, bool], Encoded]
"""Text, and whether its states go through the adapter."""


class Encoder:
    """Turns texts into conditions, with or without the adapter.

    Args:
        diffusion: the frozen base model.
        adapter: None where nothing is adapted.
        negative_prompt: what guidance leads away from; empty is the unconditional text.
        adapt_negative: send it through the adapter too; not read with an official adapter.
        guided: whether there is guidance; without it an official adapter gets the prompt alone.
        eta: the adapter's dial; None takes the trained one. At 0 nothing changes, bit for bit.
        llm_states: the LLM's states of a text, for a kind that needs them; its negative prompt is always adapted.
    """

    def __init__(
        self,
        diffusion: Diffusion,
        adapter: Adapter | None,
        *,
        negative_prompt: str = "",
        adapt_negative: bool = False,
        guided: bool = True,
        eta: float | None = None,
        llm_states: TextStatesOf | None = None,
    ) -> None:
        self.diffusion, self.adapter, self.eta = diffusion, adapter, eta
        self.negative_prompt, self.adapt_negative, self.guided = negative_prompt, adapt_negative, guided
        self.llm_states = llm_states
        self._states = functools.lru_cache(maxsize=KEPT_TEXTS)(self._encode)
        self._pair = functools.lru_cache(maxsize=KEPT_TEXTS)(self._encoded)

    @torch.no_grad()
    def __call__(self, text: str, adapted: bool) -> Encoded:
        """One prompt's conditions; those of the last 256 are kept."""
        return self._pair(text, adapted)

    def _encoded(self, text: str, adapted: bool) -> Encoded:
        negative = self.negative_prompt
        if adapted and isinstance(self.adapter, OfficialAdapter):
            return self._officially(self._states(negative, False), self._states(text, False))
        if adapted and isinstance(self.adapter, LlmDiffAdapter):
            branched = BranchedEncoder(self.diffusion, self.adapter, self.llm_states, eta=self.eta)
            return Encoded(*branched.pair(negative, text, adapt_negative=self.adapt_negative))
        both = adapted and (self.adapt_negative or isinstance(self.adapter, CrossAdapter))
        return Encoded(self._states(negative, both), self._states(text, adapted))

    def _officially(self, negative: TextStates, x: TextStates) -> Encoded:
        """Both together through the adapter, which mixes them; without guidance the prompt goes alone."""
        if not self.guided:
            return Encoded(negative, self.adapt(x))
        return Encoded(*self.adapt(joined([negative, x])).chunk(2))

    def _encode(self, text: str, adapted: bool) -> TextStates:
        """Text states (1, tokens, width) in the model's number format."""
        x = self.diffusion.text_states([text])
        return self.adapt(x, text) if adapted else x

    def adapt(self, x: TextStates, text: str | None = None) -> TextStates:
        """Text states through an adapter that works on them, in their own number format.

        Args:
            x: the states.
            text: what they are of; None where they are of no text alone, as weighted ones.

        Raises:
            ValueError: the kind needs the LLM's states of a text.
        """
        if self.adapter is None or isinstance(self.adapter, LlmDiffAdapter):
            return x
        states = None
        if isinstance(self.adapter, CrossAdapter) and text is not None and self.llm_states is not None:
            states = self.llm_states(text).to(x.states.device)
        return x.replaced(kinds.condition(self.adapter, x.states.float(), states, eta=self.eta).to(x.states.dtype))
