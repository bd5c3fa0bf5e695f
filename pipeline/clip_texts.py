"""CLIP's texts as tokens: what lies beyond the context is told, and cut off or made into further pieces."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError

LongPrompts = Literal["truncate", "mean_of_chunks"]
Ints = npt.NDArray[np.int64]
SPECIAL = 2
"""Start and end token, which every piece has."""


@dataclass(frozen=True)
class Tokens:
    """One text as CLIP reads it."""

    chunks: Ints
    """Rows of CLIP's whole context, start, end and padding included: shape (k, context)."""
    counts: tuple[int, ...]
    """The text's own tokens in each of them."""
    longer: bool
    """Whether the whole text, with start and end, is longer than the context."""


class Texts:
    """Makes tokens of texts, one thread at a time: a fast tokenizer of Hugging Face keeps how it cuts as its own state.

    Args:
        tokenizer: open_clip's own or its wrapper of a Hugging Face one.
        context: tokens that the model reads at a time.
        long_prompts: what becomes of texts that are longer.

    Raises:
        ModelError: texts are to be cut into pieces, and this tokenizer cannot.
    """

    def __init__(self, tokenizer: Any, context: int, long_prompts: LongPrompts) -> None:
        self._tokenizer, self._context = tokenizer, context
        self._alone = threading.Lock()
        self._in_chunks = long_prompts == "mean_of_chunks"
        self._own = hasattr(tokenizer, "encode")  # open_clip's own; a Hugging Face one counts start and end itself
        self._wrapped = _is_plain_wrapper(tokenizer)
        if self._in_chunks and not _can_cut(tokenizer):
            raise ModelError(
                f"clip.long_prompts: {type(tokenizer).__name__} of this model cannot cut a text: take truncate"
            )

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        """Each text as tokens, in their order."""
        with self._alone:
            if self._wrapped:
                return self._wrapped_tokens(texts)
            starts = self._tokenizer(list(texts)).numpy().astype(np.int64)  # (n, context)
            return [self._tokens(text, start) for text, start in zip(texts, starts, strict=True)]

    def count(self, text: str) -> int:
        """Tokens of the whole text, start and end included."""
        with self._alone:
            return self._count(text)

    def __getstate__(self) -> dict[str, Any]:
        """All but the lock, which no other process could take."""
        return {name: value for name, value in vars(self).items() if name != "_alone"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As it was, with a lock of its own."""
        self.__dict__.update(state, _alone=threading.Lock())

    def _count(self, text: str) -> int:
        if self._own:
            return len(self._tokenizer.encode(text)) + SPECIAL
        return len(self._tokenizer.tokenizer(self._tokenizer.clean_fn(text), verbose=False).input_ids)

    def _tokens(self, text: str, start: Ints) -> Tokens:
        total = self._count(text)
        longer = total > self._context
        if self._in_chunks and longer:
            return Tokens(*self._own_chunks(text), longer)
        return Tokens(start[None], (min(total, self._context) - SPECIAL,), longer)

    def _own_chunks(self, text: str) -> tuple[Ints, tuple[int, ...]]:
        whole, size = self._tokenizer.encode(text), self._context - SPECIAL
        pieces = [whole[first : first + size] for first in range(0, len(whole), size)]
        chunks = np.zeros((len(pieces), self._context), dtype=np.int64)
        for chunk, piece in zip(chunks, pieces, strict=True):
            chunk[: len(piece) + SPECIAL] = [self._tokenizer.sot_token_id, *piece, self._tokenizer.eot_token_id]
        return chunks, tuple(map(len, pieces))

    def _wrapped_tokens(self, texts: Sequence[str]) -> list[Tokens]:
        """A Hugging Face tokenizer cuts by itself and gives each piece the special tokens that it gives a text."""
        inner = self._tokenizer.tokenizer
        cut = inner(
            [self._tokenizer.clean_fn(text) for text in texts],
            max_length=self._context,
            truncation=True,
            return_overflowing_tokens=True,
            verbose=False,
        )
        pieces: list[list[list[int]]] = [[] for _ in texts]
        for text, ids in zip(cut.overflow_to_sample_mapping, cut.input_ids, strict=True):
            pieces[text].append(ids)
        special = inner.num_special_tokens_to_add()
        return [self._padded(each[: None if self._in_chunks else 1], special, len(each) > 1) for each in pieces]

    def _padded(self, pieces: Sequence[Sequence[int]], special: int, longer: bool) -> Tokens:
        inner = self._tokenizer.tokenizer
        chunks = np.full((len(pieces), self._context), inner.pad_token_id, dtype=np.int64)
        for chunk, piece in zip(chunks, pieces, strict=True):
            chunk[: len(piece)] = piece
        if self._tokenizer.strip_sep_token:  # as open_clip does
            chunks[chunks == inner.sep_token_id] = 0
        return Tokens(chunks, tuple(len(piece) - special for piece in pieces), longer)


def _can_cut(tokenizer: Any) -> bool:
    if hasattr(tokenizer, "encode"):
        return getattr(tokenizer, "reduction_fn", None) is None
    return _is_plain_wrapper(tokenizer)


def _is_plain_wrapper(tokenizer: Any) -> bool:
    """Whether open_clip only hands texts to a fast tokenizer of Hugging Face, which pads behind the text."""
    wrapped = getattr(tokenizer, "tokenizer", None)
    fast = getattr(wrapped, "is_fast", False) and getattr(wrapped, "padding_side", "") == "right"
    return bool(fast) and hasattr(tokenizer, "clean_fn") and getattr(tokenizer, "tokenizer_mode", "") == ""


def groups(rows: Ints, size: int) -> Iterable[tuple[Ints, int]]:
    """Rows in groups of exactly ``size``, the last one filled with its last row; beside each how many are its own."""
    for first in range(0, len(rows), size):
        group = rows[first : first + size]
        fill = np.repeat(group[-1:], size - len(group), axis=0)
        yield np.concatenate([group, fill]), len(group)
