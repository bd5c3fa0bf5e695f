"""A prompt as the LLM's tokens, and which of them are the prompt's own."""

from collections.abc import Sequence
from typing import Any


class PromptTokens:
    """Tokenises prompts; knows what the tokenizer puts around a text.

    Args:
        tokenizer: the LLM's, of transformers.
        pool_bos: whether the start token counts as one of the prompt's own (``llm.pool_bos``).
    """

    def __init__(self, tokenizer: Any, *, pool_bos: bool) -> None:
        self._tokenizer = tokenizer
        self._pool_bos = pool_bos
        found = tokenizer("a", return_special_tokens_mask=True)
        marks: list[int] = found.special_tokens_mask
        self._after = marks[::-1].index(0)
        self._start: list[int] = found.input_ids[: marks.index(0)]

    def ids(self, prompts: Sequence[str]) -> list[list[int]]:
        """What the LLM reads of each prompt: the start token, where there is one, and the prompt's words.

        An end token is left out: it would see the prompt, but is none of its words.

        Raises:
            ValueError: a prompt without any token.
        """
        found = self._tokenizer(list(prompts), verbose=False).input_ids if prompts else []
        cut = [tokens[: len(tokens) - self._after] for tokens in found]
        if [] in cut:
            raise ValueError(f"the prompt {prompts[cut.index([])]!r} has no token")
        return cut

    def first(self, length: int) -> int:
        """Index of the first of the prompt's own tokens.

        The start token is one only where ``llm.pool_bos`` says so, or where the prompt has no other (the empty one).
        """
        return 0 if self._pool_bos or length == len(self._start) else len(self._start)

    def own(self, tokens: Sequence[int]) -> Sequence[int]:
        """The prompt's own tokens."""
        return tokens[self.first(len(tokens)) :]

    def alone(self, token: int) -> list[int]:
        """A token fed alone: behind the start token as the first word of a prompt is, so at the same position."""
        return [*self._start, token]
