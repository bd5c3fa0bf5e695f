"""Let the text encoder read everyday sentences too, in directions of their own that the U-Net never learned.

Real CLIP has read far more than the keyword lists that a diffusion model follows well: what a plain sentence says is in
its states, but not where the U-Net looks for it. So the encoder learns to tell the scene of simple prompts through the
same heads behind a fixed rotation of the states, while its states of complex prompts are held where they are.
"""

import copy
import random
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from miniature import architectures
from miniature.language import complex_prompt, simple_prompt
from miniature.train_text_encoder import Reader, scene_loss, tokenize
from miniature.training import Plan, Session, device, digest_of, train
from miniature.world import sample_scene

PLAN = Plan(steps=1000, batch_size=48, learning_rate=5e-4, warmup_steps=50, weight_decay=0.0, seed=1)
HOLD = 20.0
"""Weight of the squared distance that the states of complex prompts have moved."""
_ROTATION_SEED = 5


@dataclass(frozen=True)
class Lesson:
    """What a step learns from: the reader, its encoder as it was `before`, and the rotation `turn`."""

    reader: Reader
    before: Any
    turn: Tensor
    tokenizer: Any
    size: int

    def loss(self, rng: random.Random, noise: torch.Generator) -> Tensor:
        """Reading error on simple prompts through the rotation, and how far the states of complex ones have moved."""
        scenes = [sample_scene(rng) for _ in range(self.size)]
        ids = self._ids([simple_prompt(scene, rng) for scene in scenes])
        told = scene_loss(self.reader, ids, scenes, self.tokenizer.eos_token_id, noise, turn=self.turn)
        held = self._ids([complex_prompt(sample_scene(rng), rng) for _ in range(self.size)])
        now, then = (encoder(held).last_hidden_state.float() for encoder in (self.reader.encoder, self.before))
        return told + HOLD * F.mse_loss(now, then)

    def _ids(self, prompts: list[str]) -> Tensor:
        return tokenize(self.tokenizer, prompts).to(device())


def build(reader: Reader, tokenizer: Any, session: Session, *, plan: Plan = PLAN) -> None:
    """Train the reader's encoder in place, from the plan's seed; the heads stay.

    Args:
        reader: text encoder and heads, trained on complex prompts.
        tokenizer: of the text encoder.
        session: where checkpoints lie.
        plan: how long.
    """
    came_from = digest_of(reader.state_dict())
    before = copy.deepcopy(reader.encoder).requires_grad_(False).eval()
    lesson = Lesson(reader, before, rotation().to(device()), tokenizer, plan.batch_size)
    reader.heads.requires_grad_(False)
    reader.encoder.requires_grad_(True)
    train("everyday", reader, lesson.loss, plan, session, inputs=came_from)
    reader.encoder.requires_grad_(False)


def rotation(width: int = architectures.TEXT_WIDTH, seed: int = _ROTATION_SEED) -> Tensor:
    """A fixed random rotation of the states, (width, width) orthogonal."""
    drawn = torch.randn(width, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    turn: Tensor = torch.linalg.qr(drawn).Q.float()
    return turn
