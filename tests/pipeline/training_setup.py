"""A small training: settings, examples and a trainer on the tiny model."""

import numpy as np
import torch
from accelerate.state import AcceleratorState, GradientState, PartialState

from pipeline.adapters.settings import AdapterParams
from pipeline.block_states import Read, SampleStates
from pipeline.losses import LossParams
from pipeline.padded_states import RowStates
from pipeline.training import Trainer
from pipeline.training_examples import Examples
from pipeline.training_moments import CachedMoments
from pipeline.training_recipe import Recipe, accelerator
from pipeline.training_settings import TrainParams
from tests.pipeline import tiny_models
from tests.pipeline.adapters.test_sur import BASE as ADAPTER
from tests.pipeline.test_losses import BASE as LOSS

TRAIN = {
    "steps": 6,
    "batch_size": 4,
    "optimiser": "adamw",
    "learning_rate": 1e-2,
    "unet": "frozen",
    "unet_learning_rate": None,
    "schedule": "constant",
    "weight_decay": 0.01,
    "warmup_steps": 2,
    "clip_norm": 1.0,
    "ema_decay": None,
    "snr_gamma": None,
    "noise_offset": 0.0,
    "caption_dropout": 0.0,
    "horizontal_flip": True,
    "precision": "fp32",
    "cache_latents": True,
    "validate_every": 3,
    "validation_samples": 3,
    "checkpoint_every": 2,
    "sample_prompts": 2,
    "sample_every": None,
    "keep": "last",
    "metric": "val/denoising",
    "seed": 0,
}

KINDS = {
    "sur frozen": {},
    "sur cross_attention": {"train": {"unet": "cross_attention"}},
    "llm4gen frozen": {"adapter": {"kind": "llm4gen"}},
    "llm4gen full": {"adapter": {"kind": "llm4gen"}, "train": {"unet": "full"}},
    "none cross_attention": {"adapter": {"kind": "none"}, "train": {"unet": "cross_attention"}},
    "none full": {"adapter": {"kind": "none"}, "train": {"unet": "full"}},
    "llmdiff frozen": {"adapter": {"kind": "llmdiff", "eta": 1.0}},
    "llmdiff beside the text encoder": {"adapter": {"kind": "llmdiff", "eta": 0.5}},
}
"""Each kind with a choice of U-Net parts: what of the sections differs."""


def recipe(adapter=None, loss=None, **train):
    return Recipe(
        AdapterParams(**{**ADAPTER, **(adapter or {})}),
        LossParams(**{**LOSS, **(loss or {})}),
        TrainParams(**{**TRAIN, **train}),
    )


class FakeStates:
    """Stands for token states on the disk: 2 to 8 tokens a sample, drawn from its id."""

    def of(self, sample_id):
        draw = np.random.default_rng(list(sample_id.encode()))
        return draw.normal(size=(int(draw.integers(2, 9)), tiny_models.LLM_WIDTH)).astype(np.float16)


class MadeStates(SampleStates):
    """States of all blocks that a sample's id decides, 1 to 4 tokens, without files."""

    def __init__(self, blocks=3, width=tiny_models.LLM_WIDTH):
        self.blocks, self.width = blocks, width

    def of(self, sample_id):
        number = int(sample_id.removeprefix("test:"))
        draw = np.random.default_rng(number)
        return Read(*draw.normal(size=(2, number % 4 + 1, self.blocks + 1, self.width)).astype(np.float16))


def examples(count=10, seed=0, sides=2, kind="sur"):
    """Of a split; with the states that the kind takes."""
    draw = np.random.default_rng(seed)
    ids = [f"test:{row:03d}" for row in range(count)]
    colours = [tiny_models.COLOURS[row % 4] for row in range(count)]
    return Examples(
        sample_ids=ids,
        simple=[f"a {colour} square" for colour in colours],
        complex=[f"{colour} square, best quality" for colour in colours],
        llm=torch.from_numpy(draw.normal(size=(count, tiny_models.LLM_WIDTH)).astype(np.float32)),
        moments=CachedMoments(torch.from_numpy(draw.normal(size=(count, sides, 8, 8, 8)).astype(np.float16))),
        states=MadeStates() if kind == "llmdiff" else None,
        token_states=RowStates(FakeStates(), ids, ADAPTER["llm4gen"]["tokens"]) if kind == "llm4gen" else None,
    )


def process(precision="fp32"):
    """A fresh Accelerator: it keeps its state in the process."""
    for state in (AcceleratorState, GradientState, PartialState):
        state._reset_state()
    return accelerator(precision, "cpu")


def trainer(folder, chosen=None, *, model=None, micro_batch=4, count=10, validation=3):
    chosen = chosen or recipe()
    kind = chosen.adapter.kind
    return Trainer(
        chosen,
        model or tiny_models.load(),
        examples(count, kind=kind),
        examples(validation, seed=1, sides=1, kind=kind),
        accelerator=process(chosen.train.precision),
        folder=folder,
        micro_batch=micro_batch,
    )


def silent(step, figures):
    """A report that notes nothing."""
