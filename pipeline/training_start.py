"""What a training starts from: the untrained network of the kind, and the U-Net's parts that are trained with it."""

import torch

from pipeline import unet_parts
from pipeline.adapters.kinds import Adapter, Learned, NoAdapter
from pipeline.adapters.llm4gen import CrossAdapter
from pipeline.adapters.llmdiff import LlmDiffAdapter
from pipeline.adapters.sur import SurAdapter
from pipeline.diffusion import Diffusion
from pipeline.errors import SettingError
from pipeline.training_examples import Examples
from pipeline.training_recipe import DTYPES, Recipe


def learned(recipe: Recipe, diffusion: Diffusion, examples: Examples) -> Learned:
    """All that is trained; the U-Net's parts among it become float32 and are multiplied in the precision's format.

    Args:
        recipe: the sections that decide it.
        diffusion: the base model; parts of its U-Net are unfrozen as ``train.unet`` says.
        examples: split train, for widths and statistics of the LLM's vectors.

    Raises:
        SettingError: the heads do not divide the width.
    """
    unet, precision = diffusion.unet, recipe.train.precision
    chosen = unet_parts.names(unet, recipe.train.unet)
    if chosen and precision != "fp32":
        unet.forward = torch.autocast(torch.device(diffusion.device).type, DTYPES[precision])(unet.forward)
    return Learned(_network(recipe, diffusion, examples), unet_parts.unfrozen(unet, chosen))


def _network(recipe: Recipe, diffusion: Diffusion, examples: Examples) -> Adapter:
    match recipe.adapter.kind:
        case "sur":
            return _sur(recipe, diffusion, examples)
        case "llm4gen":
            return _llm4gen(recipe, diffusion, examples)
        case "none":
            return NoAdapter(recipe.adapter, width=diffusion.text_width)
        case "llmdiff":
            return _llmdiff(recipe, diffusion, examples)


def _llmdiff(recipe: Recipe, diffusion: Diffusion, examples: Examples) -> LlmDiffAdapter:
    states = examples.states
    if states is None:
        raise SettingError("adapter.kind: llmdiff learns from the states of all blocks: set llm.states to blocks")
    adapter = LlmDiffAdapter(recipe.adapter, diffusion.unet, llm_width=states.width, blocks=states.blocks)
    adapter.attach(diffusion.unet)
    return adapter


def _llm4gen(recipe: Recipe, diffusion: Diffusion, examples: Examples) -> CrossAdapter:
    if examples.token_states is None:
        raise SettingError("adapter.kind: llm4gen needs the LLM's states token by token: set llm.states to tokens")
    try:
        return CrossAdapter(recipe.adapter, width=diffusion.text_width, llm_width=examples.token_states.width)
    except ValueError as error:
        raise SettingError(f"adapter.llm4gen.heads: {error}") from error


def _sur(recipe: Recipe, diffusion: Diffusion, examples: Examples) -> SurAdapter:
    try:
        adapter = SurAdapter(
            recipe.adapter,
            width=diffusion.text_width,
            llm_width=examples.llm.shape[1],
            w0_seed=recipe.loss.w0_seed,
        )
    except ValueError as error:
        raise SettingError(f"adapter.heads: {error}") from error
    if recipe.loss.llm_scale == "standardise":
        adapter.standardise(examples.llm)
    return adapter
