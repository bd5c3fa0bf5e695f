"""Train CLIP contrastively on drawn pictures with simple and complex prompts."""

import random
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from miniature import architectures, pictures, saving, vocabulary
from miniature.language import complex_prompt, simple_prompt
from miniature.training import Plan, Session, device, train

PLAN = Plan(steps=1200, batch_size=128, learning_rate=1e-3, ema=0.995)


def build(folder: Path, session: Session, *, plan: Plan = PLAN) -> tuple[Any, Any]:
    """Train from the plan's seed, save into `folder`, return the model and its tokenizer."""
    torch.manual_seed(plan.seed)
    tokenizer = vocabulary.clip_tokenizer(pad_token="<|pad|>")
    model = architectures.clip(architectures.clip_config(tokenizer)).to(device())
    train("clip", model, lambda rng, _: loss(model, tokenizer, rng, plan.batch_size), plan, session)
    saving.save_clip(folder, model, tokenizer)
    return model, tokenizer


def loss(model: Any, tokenizer: Any, rng: random.Random, size: int) -> Tensor:
    """The symmetric contrastive loss of CLIP (arXiv 2103.00020, Fig. 3), half the pictures with each language."""
    scenes, images = pictures.batch(rng, size)
    prompts = [
        complex_prompt(scene, rng) if index % 2 else simple_prompt(scene, rng) for index, scene in enumerate(scenes)
    ]
    ids = tokenizer(prompts, padding=True, truncation=True, return_tensors="pt").input_ids
    where = device()
    seen = model.encode_image(images.to(where), normalize=True)
    read = F.normalize(encode_short(model, ids.to(where)), dim=-1)
    scores = model.logit_scale.exp().clamp(max=100) * seen @ read.T
    target = torch.arange(size, device=where)
    return (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2


def encode_short(model: Any, ids: Tensor) -> Tensor:
    """`encode_text` for texts padded to less than 77 tokens: nothing after the end token can reach it.

    Args:
        model: an open_clip `CLIP` that pools at the end token.
        ids: (batch, length), each row with one end token.

    Returns:
        (batch, embed_dim), not normalised.
    """
    length = ids.shape[1]
    states = model.token_embedding(ids) + model.positional_embedding[:length]
    states = model.ln_final(model.transformer(states, attn_mask=model.attn_mask[:length, :length]))
    ends = (ids == model.text_eos_id).int().argmax(dim=-1)
    pooled: Tensor = states[torch.arange(len(ids), device=ids.device), ends] @ model.text_projection
    return pooled
