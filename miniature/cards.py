"""Model cards of the miniature's models: what they are, how they were made, how good they are, where they end."""

from collections.abc import Mapping
from pathlib import Path

from miniature.train_llama import WIDTHS
from miniature.training import Plan
from pipeline.files import write_json, write_text

Trainings = Mapping[str, Plan]
"""Plan of each part."""

_LLAMA = (
    "LLaMA language model of {layers} layers",
    "Architecture: transformers `LlamaForCausalLM` of width {width}, byte-pair vocabulary of its own.",
    "Trained on sentences of the everyday language, two in three followed by their meaning in plain words, and on "
    "statements such as `crimson means red` (`miniature.corpus`). Held-out compositions are not among them, the "
    "words kept for evaluation prompts are: the model knows them, no other model of the miniature does.",
    "It speaks of the drawn world only.",
)
_CONTROLNET = "Architecture: diffusers `ControlNetModel` for the U-Net of `diffusion`, without text attention."
_CONTROLNET_TRAINING = (
    "Trained on drawings and their condition pictures with the diffusion model frozen, from {}; every second prompt "
    "was empty."
)
_WHAT: dict[str, tuple[str, ...]] = {
    "blip": (
        "BLIP captioner",
        "Architecture: transformers `BlipForConditionalGeneration`, 64 x 64 pictures in patches of 8, 4 vision and "
        "3 text layers of width 128, its own word vocabulary. It captions with and without the prompt `a picture of`.",
        "Trained on pictures drawn by `miniature.world` and everyday captions of `miniature.language`.",
        "It knows nothing but the drawn world; unknown words are spelled in letters. Kinds and actions of small "
        "figures are its weakest side.",
    ),
    "clip": (
        "CLIP",
        "Architecture: open_clip `CLIP` by its own configuration, towers of 3 layers and width 128, embeddings of 64.",
        "Trained contrastively on drawn pictures, half of them with a simple and half with a complex prompt.",
        "Its scores compare prompts of the drawn world only; their absolute size has no meaning.",
    ),
    "diffusion": (
        "Stable Diffusion",
        "Architecture: diffusers `StableDiffusionPipeline`: `AutoencoderKL` (factor 8, 8 channels), `CLIPTextModel` of "
        "width 128, `UNet2DConditionModel` over 8 x 8 latents, DDIM, no safety checker.",
        "The autoencoder learned from drawn pictures, then its decoder alone from blurred latents. The text encoder "
        "learned to tell the scene of complex prompts, through heads that were thrown away; the U-Net learned from "
        "cached latents and these text states, one prompt in ten empty, and saw no simple prompt. At last the text "
        "encoder learned to tell the scene of simple prompts too, through the same heads behind a fixed rotation of "
        "its states (`miniature.train_everyday`), its states of complex prompts held in place.",
        "So what a simple prompt says is in its states, but not where the U-Net looks for it: that is the gap which an "
        "adapter has to close, wide by intention. Words of the unseen tier mean nothing to it. 64 x 64 only. "
        "The figures hold for 20 steps and guidance 2.5; more guidance mixes the colours up.",
    ),
    "cartoon": (
        "Stable Diffusion in cartoon style",
        "Architecture: as `diffusion`, with a smaller autoencoder and U-Net and the same text encoder.",
        'Trained as `diffusion` was, on pictures with dark outlines and lighter grounds (`style="cartoon"`).',
        "As `diffusion`: it follows complex prompts only, 64 x 64 only. It draws nothing but cartoons, without "
        "being asked to.",
    ),
    "controlnet-edges": (
        "ControlNet for edges",
        _CONTROLNET,
        _CONTROLNET_TRAINING.format("the ControlNet for segments (from the U-Net's blocks it learned nothing)"),
        "Its condition is an RGB picture of 64 x 64: white lines on black, as `miniature.conditions.edges` finds them "
        "in a picture. It works with `diffusion` only. Colours come from the prompt.",
    ),
    "controlnet-segments": (
        "ControlNet for segments",
        _CONTROLNET,
        _CONTROLNET_TRAINING.format("copies of the U-Net's own blocks"),
        "Its condition is an RGB picture of 64 x 64: things on black, in colours by class that `miniature.conditions` "
        "lists. It works with `diffusion` only. Colours come from the prompt.",
    ),
}


def write(folder: Path, name: str, quality: Mapping[str, float], trainings: Trainings) -> None:
    """Write README.md and quality.json of a model folder; its revision does not depend on them.

    Args:
        folder: of the model.
        name: of the model, as `miniature.build` has it.
        quality: measured figures.
        trainings: plan of each part.
    """
    write_json(folder / "quality.json", dict(quality))
    write_text(folder / "README.md", card(name, quality, trainings))


def _what(name: str) -> tuple[str, ...]:
    """Title, architecture, training data and limits of a model."""
    if not name.startswith("llama-"):
        return _WHAT[name]
    layers = int(name.removeprefix("llama-"))
    return tuple(text.format(layers=layers, width=WIDTHS[layers]) for text in _LLAMA)


def card(name: str, quality: Mapping[str, float], trainings: Trainings) -> str:
    """The text of a card."""
    title, architecture, data, limits = _what(name)
    trained = "\n".join(
        f"| {part} | {plan.steps} | {plan.batch_size} | {plan.learning_rate:g} | {plan.seed} |"
        for part, plan in trainings.items()
    )
    figures = "\n".join(f"| {key} | {value:g} |" for key, value in sorted(quality.items()))
    return f"""# {title} of the miniature world

{architecture} Weights in 16 bits.

## Training

{data} AdamW, linear warm-up, cosine decay. Made again by `python -m miniature.build --only {name}`.

| part | steps | batch | learning rate | seed |
|---|---|---|---|---|
{trained}

## Quality, measured on held-out compositions (`miniature.measures`)

| measure | value |
|---|---|
{figures}

## Limits

{limits}
"""
