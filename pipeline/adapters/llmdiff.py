"""The LLMDiff-Adapter (arXiv 2502.04412): an LLM's states instead of a text encoder, into every cross-attention.

The formulas are in :mod:`pipeline.adapters.score_sum` (the encoder) and :mod:`pipeline.adapters.two_branch`; where we
leave the paper, or had to choose, is in ADR 0026.
"""

from typing import Any, NamedTuple, cast

import torch
from torch import nn

from pipeline.adapters.packing import beside, nothing, pack
from pipeline.adapters.score_sum import ScoreSum
from pipeline.adapters.settings import AdapterParams
from pipeline.adapters.two_branch import Branches, TwoBranches, cross_attentions


class Blocks(NamedTuple):
    """Some prompts as the LLM's blocks see them, filled up to one length T with zeros."""

    context: torch.Tensor
    """(batch, T, blocks + 1, width): what enters the first block and what leaves each."""
    alone: torch.Tensor
    """The same shape: of the same tokens fed alone."""
    own: torch.Tensor
    """(batch, T) bool: tokens of the prompt. The empty text has one, all of zeros: c is 0 there, so that the U-Net sees
    phi's bias."""

    def to(self, device: str | torch.device) -> "Blocks":
        """On a device, in the number format that they are stored in."""
        return Blocks(*(part.to(device) for part in self))


class LlmDiffAdapter(nn.Module):
    """All that is trained: g and h, phi, and each cross-attention's new branch and factors.

    Args:
        config: section ``adapter``; ``eta`` is the share of the two branches at which it is trained.
        unet: the frozen U-Net, whose layers it copies and, after :meth:`attach`, speaks in.
        llm_width: features of the LLM's states.
        blocks: of the LLM, as deep as its states were kept.
    """

    def __init__(self, config: AdapterParams, unet: Any, *, llm_width: int, blocks: int) -> None:
        super().__init__()
        self.config = config
        self.width, self.llm_width, self.blocks = int(unet.config.cross_attention_dim), llm_width, blocks
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.encoder = ScoreSum(config.llmdiff, blocks)
            self.phi = nn.Linear(llm_width, self.width)
            layers = {_name(name): Branches(part, llm_width) for name, part in cross_attentions(unet)}
            self.layers = nn.ModuleDict(layers)

    def forward(
        self,
        prompts: Blocks,
        eps: torch.Tensor | None = None,
        text: torch.Tensor | None = None,
        *,
        eta: float | None = None,
    ) -> torch.Tensor:
        """What the U-Net is given as its ``encoder_hidden_states``.

        Args:
            prompts: states of the LLM.
            eps: (batch, T, llm_width), standard normal, see :class:`pipeline.adapters.score_sum.ScoreSum`.
            text: the base model's text states (batch, 77, width) of the same prompts, needed below eta 1.
            eta: the dial, 0 to 1; None takes the one it is trained at. At 0 ``text`` comes back as it is.

        Returns:
            (batch, ``max_tokens`` or 77 if that is more, features), see :mod:`pipeline.adapters.packing`.

        Raises:
            ValueError: eta is below 1 and there are no text states.
        """
        eta = self.config.eta if eta is None else eta
        if text is None and eta < 1.0:
            raise ValueError(f"eta {eta} needs the base model's text states beside the LLM's")
        if text is not None and eta == 0.0:
            return text
        c = self.encoder(prompts.context, prompts.alone, eps)  # (B, T, llm_width)
        packed = pack(self.phi(c), c, prompts.own, tokens=self.config.llmdiff.max_tokens)
        return packed if text is None or eta == 1.0 else beside(text, packed, eta)

    def beside(self, packed: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """What eta 1 gives, with the features of a lower eta: :meth:`unadapted` rows can be its neighbours."""
        return beside(text, packed, 1.0)

    def unadapted(self, text: torch.Tensor) -> torch.Tensor:
        """Text states that the base model's layers alone shall hear, of the features that eta below 1 has."""
        return beside(text, nothing(text, self.llm_width), 0.0)

    def attach(self, unet: Any) -> None:
        """Put the processors into a U-Net; for plain text states it stays what it was, bit for bit."""
        for name, part in cross_attentions(unet):
            stock = part.processor.stock if isinstance(part.processor, TwoBranches) else part.processor
            branches = cast(Branches, self.layers[_name(name)])
            part.set_processor(TwoBranches(branches, stock, text_width=self.width, llm_width=self.llm_width))


def detach(unet: Any) -> None:
    """Give a U-Net the processors back that it had."""
    for _, part in cross_attentions(unet):
        if isinstance(part.processor, TwoBranches):
            part.set_processor(part.processor.stock)


def empty(batch: int, blocks: int, llm_width: int) -> Blocks:
    """The empty text, so many times: one token whose states are 0."""
    zeros = torch.zeros(batch, 1, blocks + 1, llm_width)
    return Blocks(zeros, zeros, torch.ones(batch, 1, dtype=torch.bool))


def _name(layer: str) -> str:
    """Of a layer in the adapter's own file: a module's name has no dots."""
    return layer.replace(".", "-")
