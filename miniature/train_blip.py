"""Train BLIP to caption drawn pictures in everyday language."""

import random
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from miniature import architectures, pictures, saving, vocabulary
from miniature.language import caption, simple_prompt
from miniature.training import Plan, Session, device, train
from miniature.world import Scene

PLAN = Plan(steps=5000, batch_size=64, learning_rate=1e-3, ema=0.998)
PROMPT = "a picture of"
"""LAVIS starts captions with it; half of the training does, so that the model can be asked either way."""


def build(folder: Path, session: Session, *, plan: Plan = PLAN) -> tuple[Any, Any]:
    """Train from the plan's seed, save into `folder`, return the model and its tokenizer."""
    torch.manual_seed(plan.seed)
    tokenizer = vocabulary.bert_tokenizer()
    model = architectures.blip(tokenizer).to(device())
    train("blip", model, lambda rng, _: loss(model, tokenizer, rng, plan.batch_size), plan, session)
    saving.save_blip(folder, model, tokenizer)
    return model, tokenizer


def loss(model: Any, tokenizer: Any, rng: random.Random, size: int) -> Tensor:
    """Cross-entropy of the captions' own tokens, given the pictures."""
    scenes, images = pictures.batch(rng, size)
    ids, labels = targets(tokenizer, [wording(scene, rng) for scene in scenes], rng)
    where = device()
    seen = model.vision_model(pixel_values=images.to(where))[0]
    decoded = model.text_decoder(
        input_ids=ids.to(where),
        attention_mask=(ids != tokenizer.pad_token_id).long().to(where),
        encoder_hidden_states=seen,
        labels=labels.to(where),
        reduction="mean",
    )
    value: Tensor = decoded.loss
    return value


def wording(scene: Scene, rng: random.Random) -> str:
    """Mostly the usual caption of the scene; one in five says it in other words."""
    return simple_prompt(scene, rng) if rng.random() < 0.2 else caption(scene)


def targets(tokenizer: Any, captions: list[str], rng: random.Random) -> tuple[Tensor, Tensor]:
    """Token ids (batch, length) with `[DEC]` first, and labels: -100 on padding and on the words of the prompt."""
    prompted = [rng.random() < 0.5 for _ in captions]
    texts = [f"{PROMPT} {text}" if with_prompt else text for text, with_prompt in zip(captions, prompted, strict=True)]
    ids = tokenizer(texts, padding=True, return_tensors="pt").input_ids
    ids[:, 0] = tokenizer.convert_tokens_to_ids("[DEC]")
    labels = ids.masked_fill(ids == tokenizer.pad_token_id, -100)
    labels[:, 0] = -100
    labels[torch.tensor(prompted), 1 : 1 + len(PROMPT.split())] = -100
    return ids, labels
