"""What a kind of adapter reads to be trained: of the data set, of the latents, and of the LLM."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline import llm, prompt_states, training_moments
from pipeline.adapters.config import LlmNamed, LlmRead
from pipeline.adapters.settings import AdapterParams
from pipeline.block_states import SampleStates
from pipeline.diffusion import Diffusion
from pipeline.errors import ModelError
from pipeline.llm import LlmParams
from pipeline.padded_states import RowStates
from pipeline.state_files import States
from pipeline.training_examples import Examples, read_examples, require_examples
from pipeline.training_recipe import Recipe


class Vectors(NamedTuple):
    """What stage ``embed`` computed; a kind of adapter reads one of them, or none."""

    layer: Path
    """Mean-pooled vectors of one layer: sur."""
    states: Path
    """Token states: llmdiff of all blocks, llm4gen of one layer."""


def language(adapter: AdapterParams, config: LlmParams) -> LlmNamed | None:
    """The LLM as this kind uses it; None where it does not.

    Raises:
        ModelError: how many blocks there are cannot be read from here.
    """
    named = {"model": config.model, "revision": config.revision}
    match adapter.kind:
        case "sur":
            return LlmNamed(**named, layer=config.layer)
        case "llm4gen":
            return prompt_states.named(config, _states_layer(config))
        case "llmdiff":
            return LlmRead(
                **named,
                layer=_states_layer(config),
                dtype=config.dtype,
                quantisation=config.quantisation,
                store_dtype=config.store_dtype,
            )
        case "none":
            return None


def _states_layer(config: LlmParams) -> int:
    sizes = llm.shape(config.model, config.revision)
    if sizes is None:
        raise ModelError(f"model {config.model}: its config.json cannot be reached from here")
    return llm.states_layer(config, sizes.layers)


def examples(
    pictures: Path, moments: Path, vectors: Vectors, recipe: Recipe, model: Diffusion
) -> tuple[Examples, Examples]:
    """Splits train and val, with what the kind reads of the LLM.

    Args:
        pictures: shards of the data set.
        moments: shards of latents.
        vectors: of stage ``embed``.
        recipe: the sections that decide the training.
        model: encodes pictures where latents are not cached.

    Raises:
        EmptyResultError: split train has no sample.
        InputError: a file is missing, damaged, or lacks a sample.
    """
    config, kind = recipe.train, recipe.adapter
    states, token_states = None, None
    match kind.kind:
        case "llmdiff":
            states = SampleStates(States(vectors.states), limit=kind.llmdiff.max_tokens)
        case "llm4gen":
            found = States(vectors.states)
            token_states = functools.partial(RowStates, found, tokens=kind.llm4gen.tokens)

    def pooled(sample_ids: Sequence[str]) -> llm.Floats:
        if kind.kind != "sur":
            return np.zeros((len(sample_ids), 0), np.float32)
        return llm.load_layer(vectors.layer, sample_ids)

    source = training_moments.cached(moments) if config.cache_latents else training_moments.live(pictures, model.codec)
    read = functools.partial(read_examples, pictures, source, pooled, states=states, token_states=token_states)
    train = read("train", mirrored=config.horizontal_flip)
    return require_examples(train), read("val", mirrored=False, limit=config.validation_samples)
