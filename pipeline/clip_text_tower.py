"""CLIP's text tower at the length that a text has: what follows the token that it pools at is not computed."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.func import functional_call

from pipeline.clip_texts import groups

Ints = npt.NDArray[np.int64]

STEP = 16
"""Lengths are multiples of it, up to the context."""
GROUPS = 4
"""A batch is cut in as many calls: the last call of every length is filled, and a short one wastes less."""


class Causal(NamedTuple):
    """A text tower in which no position sees a later one and the features are those of one position."""

    prefix: str
    """Of the tower's tensors in the model's names."""
    positions: torch.Tensor
    """Positional embedding: shape (context, width)."""
    mask: torch.Tensor
    """Added to attention's scores: shape (context, context), minus infinity above the diagonal."""
    end_id: int | None
    """The token that is pooled at, the first of its kind; None: the highest id of the row."""

    @classmethod
    def of(cls, model: Any) -> "Causal | None":
        """The model's tower, or None where what follows a text's end may matter, or its class is not known here.

        Known are open_clip's ``CLIP`` and its ``TextTransformer`` in a ``CustomTextCLIP``, pooled at the highest id
        (``argmax``) or at the end token (``eos``), with a causal mask over exactly the context. Not so: towers of
        Hugging Face, those with a class token or a mask of the padding (CoCa), those that see both ways or pool at the
        last position (SigLIP).
        """
        import open_clip
        from open_clip.transformer import TextTransformer

        if type(model) is open_clip.CLIP:
            prefix, tower, pool, end_id = "", model, model.text_pool_type, model.text_eos_id
        elif type(model) is open_clip.CustomTextCLIP and type(model.text) is TextTransformer:
            prefix, tower, pool, end_id = "text.", model.text, model.text.pool_type, model.text.eos_id
            if tower.cls_emb is not None or tower.use_pad_mask:
                return None
        else:
            return None
        if pool not in ("argmax", "eos") or not _is_causal(tower.attn_mask, model.context_length):
            return None
        return cls(prefix, tower.positional_embedding, tower.attn_mask, end_id if pool == "eos" else None)

    def needed(self, rows: Ints) -> Ints:
        """Positions up to the one that is pooled, found as the model finds it: shape (n,)."""
        found = rows if self.end_id is None else rows == self.end_id
        return np.asarray(found.argmax(axis=1) + 1)

    def cut(self, length: int) -> dict[str, torch.Tensor]:
        """The tensors that are as long as the context, by their names in the model, for fewer positions."""
        return {
            f"{self.prefix}positional_embedding": self.positions[:length],
            f"{self.prefix}attn_mask": self.mask[:length, :length],
        }


def _is_causal(mask: torch.Tensor | None, context: int) -> bool:
    if mask is None or mask.shape != (context, context):
        return False
    return torch.equal(mask, torch.full_like(mask, float("-inf")).triu(1))


class TextTower:
    """Encodes texts as tokens, each at its own length where :meth:`Causal.of` knows the tower to be causal.

    There a text is cut to the multiple of STEP that holds its end: the positions left out cannot reach the one that
    its features are read from, so features are those of the whole context but for rounding. Any other tower reads the
    whole context.

    Args:
        model: an open_clip model.
        device: where it lies.
    """

    def __init__(self, model: Any, device: str) -> None:
        self._texts, self._device = _Texts(model), device
        self._causal, self._context = Causal.of(model), int(model.context_length)

    @torch.no_grad()
    def __call__(self, rows: Ints, batch: int) -> torch.Tensor:
        """Features in float32, not brought to any length: shape (n, d).

        Every call of the model for a length has as many rows, the last ones repeated where fewer are left, so that a
        row's bits do not depend on the others: ``batch`` over the whole context, else a part of it (GROUPS).

        Args:
            rows: token ids of the whole context, shape (n, context).
            batch: rows that fit the device at a time.
        """
        size = batch if self._causal is None else -(-batch // GROUPS)
        lengths = self.lengths(rows)
        encoded = [
            self._encode(group)[:own]
            for length in np.unique(lengths)
            for group, own in groups(rows[lengths == length, :length], size)
        ]
        place = np.argsort(np.argsort(lengths, kind="stable"))  # of each row among those sorted by length
        return torch.cat(encoded)[torch.from_numpy(place)]

    def lengths(self, rows: Ints) -> Ints:
        """Positions at which each row is encoded: shape (n,)."""
        if self._causal is None:
            return np.full(len(rows), self._context)
        return np.minimum(-(-self._causal.needed(rows) // STEP) * STEP, self._context)

    def _encode(self, rows: Ints) -> torch.Tensor:
        tokens, length = torch.from_numpy(rows).to(self._device), rows.shape[1]
        cut = {} if self._causal is None or length == self._context else self._causal.cut(length)
        features: torch.Tensor = functional_call(
            self._texts, {f"model.{name}": tensor for name, tensor in cut.items()}, (tokens,), tie_weights=False
        )
        return features.float()


class _Texts(torch.nn.Module):
    """The model as a module whose call is what it makes of texts: tensors can be exchanged for a module's call only."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.model.encode_text(tokens)  # type: ignore[operator]
        return features
