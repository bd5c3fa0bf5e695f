"""What a text becomes for the LLMDiff-Adapter: the LLM's states through the adapter, at any eta (ADR 0026)."""

import torch

from pipeline.adapters.llmdiff import Blocks, LlmDiffAdapter
from pipeline.diffusion import Diffusion
from pipeline.padded_states import TextStatesOf
from pipeline.text_encoding import TextStates


class BranchedEncoder:
    """A prompt and what guidance leads away from, packed for the two branches; both of the same features.

    Below eta 1, and where the negative prompt is left to the base model, the base model's text states go along; else
    its text encoders are asked for nothing but what SDXL pools.

    Args:
        diffusion: the base model, in whose U-Net the adapter's processors are.
        adapter: trained for it.
        llm_states: gives a text's block states.
        eta: the dial, 0 to 1; None takes the trained one.
    """

    def __init__(
        self, diffusion: Diffusion, adapter: LlmDiffAdapter, llm_states: TextStatesOf | None, *, eta: float | None
    ) -> None:
        self.diffusion, self.adapter, self.llm_states = diffusion, adapter, llm_states
        self.eta = adapter.config.eta if eta is None else eta

    @torch.no_grad()
    def pair(self, negative: str, prompt: str, *, adapt_negative: bool) -> tuple[TextStates, TextStates]:
        """Conditions of the negative prompt and of the prompt, one row each, in the model's number format.

        Args:
            negative: what guidance leads away from.
            prompt: what it leads to.
            adapt_negative: send the negative prompt through the LLM too; else the base model's layers hear it.
        """
        if self.eta == 0.0:
            return self.diffusion.text_states([negative]), self.diffusion.text_states([prompt])
        beside = self.eta < 1.0 or not adapt_negative
        if adapt_negative:
            return self._adapted(negative, beside=beside), self._adapted(prompt, beside=beside)
        text = self.diffusion.text_states([negative])
        return text.replaced(self.adapter.unadapted(text.states)), self._adapted(prompt, beside=beside)

    def _adapted(self, text: str, *, beside: bool) -> TextStates:
        """One text through the adapter, with the base model's text states beside or without."""
        found = None if self.llm_states is None else self.llm_states(text)
        if not isinstance(found, Blocks):
            raise ValueError("kind llmdiff needs the LLM's states of all blocks of each prompt")
        prompts = found.to(self.diffusion.device)
        if not beside and self.diffusion.text_encoder_2 is None:
            return TextStates(self.adapter(prompts, eta=1.0)).to(self.diffusion.dtype)
        x = self.diffusion.text_states([text])
        if not beside:
            return x.replaced(self.adapter(prompts, eta=1.0).to(x.states.dtype))
        packed = self.adapter(prompts, None, x.states, eta=self.eta)
        made = packed if self.eta < 1.0 else self.adapter.beside(packed, x.states)
        return x.replaced(made.to(x.states.dtype))
