"""The two-branch cross-attention of the LLMDiff-Adapter (arXiv 2502.04412) as diffusers processors (ADR 0026).

f = attn_old(phi(c)) a1 e^b1 + attn_new(c) a2 e^b2
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from pipeline.adapters.packing import Packed, unpack

CROSS = ".attn2"


class Branches(nn.Module):
    """What is trained of one cross-attention layer: attn_new and the four factors.

    attn_new has projections of its own. Those from the picture and back to it start as the frozen layer's; a1 e^b1
    starts at 1 and a2 e^b2 at 0, so that training starts with the frozen layer on phi(c) alone.

    Args:
        old: the frozen layer, a diffusers ``Attention``.
        llm_width: features of c.
    """

    def __init__(self, old: Any, llm_width: int) -> None:
        super().__init__()
        self.heads = int(old.heads)
        inner, channels = old.to_q.weight.shape
        self.to_q = nn.Linear(channels, inner, bias=old.to_q.bias is not None)
        self.to_k = nn.Linear(llm_width, inner, bias=False)
        self.to_v = nn.Linear(llm_width, inner, bias=False)
        self.to_out = nn.Linear(inner, len(old.to_out[0].weight), bias=old.to_out[0].bias is not None)
        for new, frozen in ((self.to_q, old.to_q), (self.to_out, old.to_out[0])):
            new.load_state_dict({name: value.float() for name, value in frozen.state_dict().items()})
        self.a1, self.a2 = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(()))
        self.b1, self.b2 = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

    def forward(self, hidden: torch.Tensor, states: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        """attn_new(c): (batch, places, channels), in the number format of ``hidden``.

        Args:
            hidden: (batch, places, channels), of the picture.
            states: c (batch, S, LLM width).
            own: (batch, S) bool, at least one a row: what is attended to.
        """
        query = self._split(_linear(self.to_q, hidden))
        key, value = (self._split(_linear(layer, states)) for layer in (self.to_k, self.to_v))
        said = F.scaled_dot_product_attention(query, key, value, attn_mask=own[:, None, None, :])
        return _linear(self.to_out, said.transpose(1, 2).flatten(2))

    def _split(self, values: torch.Tensor) -> torch.Tensor:
        """(batch, heads, length, width of a head)."""
        split: torch.Tensor = values.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return split

    def factors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The factors a1 e^b1 and a2 e^b2."""
        return self.a1 * self.b1.exp(), self.a2 * self.b2.exp()


class TwoBranches:
    """A processor that stands before a layer's own one, which still computes all that is frozen.

    Given plain text states it calls that one and does nothing else: the base model, bit for bit.

    Args:
        branches: the trained part.
        stock: the processor that the layer had.
        text_width: features of text states.
        llm_width: of c.
    """

    def __init__(self, branches: Branches, stock: Any, *, text_width: int, llm_width: int) -> None:
        self.branches, self.stock = branches, stock
        self.text_width, self.llm_width = text_width, llm_width

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """What diffusers asks of a processor; ``encoder_hidden_states`` is text states or a packed condition."""
        packed = unpack(encoder_hidden_states, self.text_width, self.llm_width)
        if packed is None:
            plain: torch.Tensor = self.stock(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
            return plain
        if attention_mask is not None:
            raise ValueError("a packed condition says itself which tokens are real: give no encoder_attention_mask")
        return self._blended(attn, hidden_states, packed)

    def _blended(self, attn: Any, hidden: torch.Tensor, packed: Packed) -> torch.Tensor:
        """(1 - eta) attn_old(x) + eta f."""
        own = _somewhere(packed.own)
        old, new = (factor.to(hidden.dtype) for factor in self.branches.factors())
        said: torch.Tensor = self.branches(hidden, packed.states, own)
        f = self._frozen(attn, hidden, packed.projected, own) * old + said * new
        if packed.text is None or packed.told is None or packed.eta is None:
            return f
        base = self._frozen(attn, hidden, packed.text, _somewhere(packed.told))
        blended: torch.Tensor = torch.lerp(base, f, packed.eta.expand_as(base))
        return blended

    def _frozen(self, attn: Any, hidden: torch.Tensor, states: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        """attn_old: the layer's own projections and output, over the tokens that are there."""
        bias = torch.zeros_like(own, dtype=hidden.dtype).masked_fill(~own, -torch.inf).unsqueeze(1)  # (B, 1, S)
        said: torch.Tensor = self.stock(attn, hidden, states, bias)
        return said


def cross_attentions(unet: Any) -> Iterator[tuple[str, Any]]:
    """The U-Net's cross-attention layers by name, in its own order."""
    return ((name, part) for name, part in unet.named_modules() if name.endswith(CROSS))


def _somewhere(own: torch.Tensor) -> torch.Tensor:
    """A row without any token attends everywhere: softmax over nothing is no number, and its share is 0 anyway."""
    return own | ~own.any(dim=-1, keepdim=True)


def _linear(layer: nn.Linear, values: torch.Tensor) -> torch.Tensor:
    """In the U-Net's number format; the weights stay float32."""
    bias = None if layer.bias is None else layer.bias.to(values.dtype)
    return F.linear(values, layer.weight.to(values.dtype), bias)
