"""Model cards of the miniature's models: what they are, how they were made, how good they are, where they end."""

from collections.abc import Mapping
from pathlib import Path

from miniature.training import Plan
from pipeline.files import write_json, write_text

Trainings = Mapping[str, tuple[Plan, int]]
"""Plan and batch size of each part."""

_WHAT = {
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
    "llama": (
        "LLaMA language model",
        "Architecture: transformers `LlamaForCausalLM` of width 64, byte-pair vocabulary of its own.",
        "Trained on sentences of the everyday language, two in three followed by their meaning in plain words, and on "
        "statements such as `crimson means red` (`miniature.corpus`). Held-out compositions are not among them, the "
        "words kept for evaluation prompts are: the model knows them, no other model of the miniature does.",
        "It speaks of the drawn world only.",
    ),
    "diffusion": (
        "Stable Diffusion",
        "Architecture: diffusers `StableDiffusionPipeline`: `AutoencoderKL` (factor 8, 8 channels), `CLIPTextModel` of "
        "width 128, `UNet2DConditionModel` over 8 x 8 latents, DDIM, no safety checker.",
        "Trained on drawn pictures with complex prompts only. The autoencoder came first, then its decoder alone on "
        "blurred latents; the text encoder learned to read scenes from prompts and was frozen; the U-Net learned on "
        "cached latents and text states, one prompt in ten empty.",
        "It knows the plain words of complex prompts; everyday words mean nothing to it, by intention. 64 x 64 only. "
        "The figures hold for 20 steps and guidance 2.5; more guidance mixes the colours up.",
    ),
}


def write(folder: Path, name: str, quality: Mapping[str, float], trainings: Trainings) -> None:
    """Write README.md and quality.json of a model folder; its revision does not depend on them.

    Args:
        folder: of the model.
        name: blip, clip, llama or diffusion.
        quality: measured figures.
        trainings: plan and batch size of each part.
    """
    write_json(folder / "quality.json", dict(quality))
    write_text(folder / "README.md", card(name, quality, trainings))


def card(name: str, quality: Mapping[str, float], trainings: Trainings) -> str:
    """The text of a card."""
    title, architecture, data, limits = _WHAT[name]
    trained = "\n".join(
        f"| {part} | {plan.steps} | {size} | {plan.learning_rate:g} | {plan.seed} |"
        for part, (plan, size) in trainings.items()
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
