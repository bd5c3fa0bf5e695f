"""Train the language model on sentences of the everyday language and what they mean."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from miniature import architectures, corpus, saving, vocabulary
from miniature.training import Plan, Session, device, train

PLAN = Plan(steps=900, batch_size=64, learning_rate=2e-3, warmup_steps=100, weight_decay=0.05)
NARROW_PLAN = replace(PLAN, steps=1000, bf16=False)
"""So narrow a stack is twice slower in bfloat16, where converting costs more than multiplying; it learns slower."""
WIDTHS = {32: 40, 40: architectures.LLAMA_WIDTH, 60: 40}
"""Width by number of layers; so deep are LLaMA 7B, 13B and 33B (arXiv 2302.13971, Table 2)."""
PLANS = {32: NARROW_PLAN, 40: PLAN, 60: NARROW_PLAN}
"""Plan by number of layers."""


def build(
    folder: Path, session: Session, *, layers: int = 40, width: int = architectures.LLAMA_WIDTH, plan: Plan = PLAN
) -> tuple[Any, Any]:
    """Train from the plan's seed, save into `folder`, return the model and its tokenizer."""
    torch.manual_seed(plan.seed)
    tokenizer = vocabulary.llama_tokenizer()
    model = architectures.llama(tokenizer, layers=layers, width=width).to(device())
    train(f"llama-{layers}", model, lambda rng, _: loss(model, tokenizer, rng, plan.batch_size), plan, session)
    saving.save_llama(folder, model, tokenizer)
    return model, tokenizer


def loss(model: Any, tokenizer: Any, rng: random.Random, size: int) -> Tensor:
    """Next-token cross-entropy of sentences, each ended by `</s>`."""
    texts = [f"{text}</s>" for text in corpus.reading(rng, size)]
    read = tokenizer(texts, padding=True, padding_side="right", return_tensors="pt").to(device())
    labels = read.input_ids.masked_fill(read.attention_mask == 0, -100)
    value: Tensor = model(input_ids=read.input_ids, attention_mask=read.attention_mask, labels=labels).loss
    return value
