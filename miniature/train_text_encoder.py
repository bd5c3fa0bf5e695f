"""Train the diffusion model's text encoder to read scenes from complex prompts, before it is frozen.

A text encoder learned together with the U-Net hardly binds words to things. So it first learns, through heads that are
thrown away, to say for each colour how many of what there are, which action and which ground: from its state at the
end of the prompt and from any later position, because the U-Net looks at all 77.
"""

import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from miniature import architectures, vocabulary, world
from miniature.language import complex_prompt
from miniature.training import Loss, Plan, Session, device, train
from miniature.world import Scene, sample_scene

PLAN = Plan(steps=1200, batch_size=64, learning_rate=1e-3)
_CLASSES = (8,) * 8 + (7,) * 8 + (7, 6)
"""Counts and kinds by colour (0 for none), action (0 for none), ground."""


class Reader(nn.Module):
    """A text encoder and the heads that read a scene from its states."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__()
        self.encoder = architectures.text_encoder(tokenizer)
        self.heads = nn.Linear(architectures.TEXT_WIDTH, sum(_CLASSES))

    def forward(self, ids: Tensor, positions: Tensor, turn: Tensor | None = None) -> tuple[Tensor, ...]:
        """Logits of each class at one position of each prompt.

        Args:
            ids: (batch, 77).
            positions: (batch,).
            turn: (width, width), applied to the states before the heads read them.
        """
        states = self.encoder(ids).last_hidden_state
        chosen = states[torch.arange(len(ids), device=ids.device), positions]
        logits: Tensor = self.heads(chosen if turn is None else chosen @ turn)
        return tuple(torch.split(logits, list(_CLASSES), dim=-1))


def build(session: Session, *, plan: Plan = PLAN) -> tuple[Reader, Any]:
    """Train from the plan's seed; return the reader, whose `encoder` is wanted, and the tokenizer."""
    torch.manual_seed(plan.seed)
    tokenizer = vocabulary.clip_tokenizer()
    reader = Reader(tokenizer).to(device())
    step: Loss = lambda rng, noise: loss(reader, tokenizer, rng, noise, plan.batch_size)  # noqa: E731
    train("text_encoder", reader, step, plan, session)
    return reader, tokenizer


def loss(reader: Reader, tokenizer: Any, rng: random.Random, noise: torch.Generator, size: int) -> Tensor:
    """Reading error on complex prompts."""
    scenes = [sample_scene(rng) for _ in range(size)]
    ids = tokenize(tokenizer, [complex_prompt(scene, rng) for scene in scenes])
    return scene_loss(reader, ids.to(device()), scenes, tokenizer.eos_token_id, noise)


def scene_loss(
    reader: Reader, ids: Tensor, scenes: list[Scene], end: int, noise: torch.Generator, *, turn: Tensor | None = None
) -> Tensor:
    """Cross-entropy of all heads, at the end of half of the prompts and behind it in the others.

    Args:
        reader: encoder and heads.
        ids: (batch, 77).
        scenes: what the prompts say.
        end: id of the end token.
        noise: draws the positions.
        turn: see :meth:`Reader.forward`.
    """
    size = len(ids)
    ends = (ids == end).int().argmax(dim=-1).cpu()
    later = ends + (torch.rand(size, generator=noise) * (ids.shape[1] - ends)).long()
    positions = torch.where(torch.rand(size, generator=noise) < 0.5, ends, later)
    target = truth(scenes).to(device())
    logits = reader(ids, positions.to(device()), turn)
    return torch.stack([F.cross_entropy(head, target[:, i]) for i, head in enumerate(logits)]).sum()


def tokenize(tokenizer: Any, prompts: list[str]) -> Tensor:
    """Token ids (batch, 77), as the pipeline makes them."""
    read = tokenizer(prompts, padding="max_length", max_length=vocabulary.CONTEXT, truncation=True, return_tensors="pt")
    ids: Tensor = read.input_ids
    return ids


def truth(scenes: list[Scene]) -> Tensor:
    """Class indices (batch, 18) in the order of the heads."""
    rows = torch.zeros(len(scenes), len(_CLASSES), dtype=torch.long)
    for row, scene in zip(rows, scenes, strict=True):
        row[17] = world.GROUND_COLOURS.index(scene.ground)
        for group in scene.groups:
            colour = world.OBJECT_COLOURS.index(group.colour)
            row[colour] = group.count
            row[8 + colour] = 1 + world.KINDS.index(group.kind)
            if group.action:
                row[16] = 1 + world.ACTIONS.index(group.action)
    return rows


@torch.no_grad()
def encode(encoder: Any, tokenizer: Any, prompts: list[str], *, size: int = 256) -> Tensor:
    """Text states (count, 77, 128) in float16 on the CPU."""
    starts = range(0, len(prompts), size)
    parts = [
        encoder(tokenize(tokenizer, prompts[at : at + size]).to(device())).last_hidden_state.half().cpu()
        for at in starts
    ]
    return torch.cat(parts)
