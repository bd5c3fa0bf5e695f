"""Nucleus sampling whose draws belong to the picture, not to the batch: the same caption alone, in any batch, anywhere.

The nucleus V(p) is the smallest set of likeliest tokens whose probabilities add up to at least p; the next token is
drawn from it in proportion (Holtzman et al., arXiv 1904.09751, section 3.1). transformers draws for a whole batch from
one generator, so that a caption depends on its neighbours and on what was drawn before. Here a picture has its own
numbers, one a position, and a token is found by inverting the cumulated probabilities at that number.

Needs torch and numpy alone, since LAVIS's process runs it beside an old transformers.
"""

from collections.abc import Sequence

import numpy as np
import torch

from pipeline.seeds import seed_of


def draws(keys: Sequence[str], seed: int, length: int) -> torch.Tensor:
    """A number from [0, 1) for each picture and position: shape (B, length), float32.

    Args:
        keys: the pictures' keys; the same key has the same numbers everywhere.
        seed: ``blip.seed``.
        length: positions of a caption.
    """
    generators = [np.random.default_rng(seed_of(seed, "caption", key)) for key in keys]
    return torch.from_numpy(np.stack([generator.random(length, dtype=np.float32) for generator in generators]))


class Nucleus:
    """A logits processor that leaves one token possible: greedy search then samples.

    Args:
        top_p: p, above 0 and at most 1; 1 samples from all tokens.
        numbers: of :func:`draws`, shape (B, length); position t of a caption takes number t.
    """

    def __init__(self, top_p: float, numbers: torch.Tensor) -> None:
        self._top_p = top_p
        self._numbers = numbers

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Minus infinity but for the drawn token, which has 0.

        Args:
            input_ids: tokens so far, shape (B, t).
            scores: logits of the next one, shape (B, V); minus infinity for those that may not come.
        """
        number = self._numbers[:, input_ids.shape[1]].to(scores.device)
        chosen = sampled(scores, number, self._top_p)
        return torch.full_like(scores, -torch.inf).scatter(1, chosen[:, None], 0.0)


def sampled(scores: torch.Tensor, number: torch.Tensor, top_p: float) -> torch.Tensor:
    """The nucleus's token at which the cumulated probability passes the number: shape (B,), int64.

    Args:
        scores: logits, shape (B, V).
        number: from [0, 1), shape (B,).
        top_p: p.
    """
    probable, tokens = scores.float().softmax(-1).sort(dim=-1, descending=True, stable=True)  # (B, V)
    within = probable.cumsum(-1) - probable < top_p  # what comes before does not reach p yet
    within[:, 0] = True  # rounding shall not empty it
    passed = probable.where(within, 0.0).cumsum(-1)
    place = (passed <= number[:, None] * passed[:, -1:]).sum(-1)
    last = within.sum(-1) - 1  # where rounding takes the number up to the whole sum
    return tokens.gather(1, place.minimum(last)[:, None]).squeeze(1)
