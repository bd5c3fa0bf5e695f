"""What the adapter draws while it is trained: a grid at each checkpoint, base beside adapted, and its CLIP score."""

import dataclasses
import functools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from pipeline import files, images, unet_parts
from pipeline.adapters.kinds import Adapter, Learned
from pipeline.clip_rule import ClipParams
from pipeline.clip_score import LOGIT_SCALE, Clip
from pipeline.diffusion import Diffusion
from pipeline.padded_states import TextStatesOf
from pipeline.sampling import Denoising, Sampler
from pipeline.seeds import seed_of
from pipeline.unet_parts import Values

DRAWN = Denoising(steps=20, guidance_scale=5.0, scheduler="ddim")
Similarity = Callable[[Sequence[Image.Image], Sequence[str]], float]
"""How well some pictures fit their texts, each with its own; higher is better."""


class Grids:
    """Draws the same prompts from the same noise at each call; what a killed run drew is drawn again, the same.

    Args:
        model: the frozen base model.
        texts: prompts of split val.
        similarity: measures the adapted pictures.
        kept: a folder of this run alone, which outlives a kill.
        shown: where people look, begun anew by each start.
        adapt_negative: send the empty text through the adapter too, as a training with dropped captions wants it.
        unet_base: the base model's values of the U-Net's parts that are trained.
        llm_states: the LLM's states of these prompts, for the kind that needs them.
        writes: false in all processes but the main one: they draw, so that all know the figure, and write nothing.
    """

    def __init__(
        self,
        model: Diffusion,
        texts: Sequence[str],
        similarity: Similarity,
        *,
        kept: Path,
        shown: Path,
        adapt_negative: bool = False,
        unet_base: Values | None = None,
        llm_states: TextStatesOf | None = None,
        writes: bool = True,
    ) -> None:
        self.model, self.texts, self.similarity = model, list(texts), similarity
        self.kept, self.shown, self.writes = kept, shown, writes
        self.adapt_negative, self.unet_base = adapt_negative, unet_base or {}
        self.llm_states = llm_states

    def __call__(self, step: int, learned: Learned) -> dict[str, float]:
        """Draw after a step, counted from 1; gives the mean CLIP score of the adapted pictures (100 x cosine)."""
        base, adapted = self.draw(learned)
        if self.writes:
            write_sheet(self.kept / f"step_{step:06d}.png", self.texts, base, adapted)
            self.show()
        return {"val/clip_score": self.similarity(adapted, self.texts)}

    def draw(self, learned: Learned) -> tuple[list[Image.Image], list[Image.Image]]:
        """Base and adapted pictures; what is trained lies in the model's own U-Net, which is the base's meanwhile."""
        trained = learned.unet_values
        with unet_parts.swapped(self.model.unet, self.unet_base):
            return draw(
                self.model,
                learned.adapter,
                self.texts,
                adapt_negative=self.adapt_negative,
                unet=trained,
                llm_states=self.llm_states,
            )

    def show(self) -> None:
        """Copy all grids of the run to where people look."""
        self.shown.mkdir(parents=True, exist_ok=True)
        for path in sorted(self.kept.glob("step_*.png")):
            shutil.copyfile(path, self.shown / path.name)


def draw(
    model: Diffusion,
    adapter: Adapter,
    texts: Sequence[str],
    *,
    adapt_negative: bool = False,
    unet: Values | None = None,
    llm_states: TextStatesOf | None = None,
) -> tuple[list[Image.Image], list[Image.Image]]:
    """Base and adapted pictures of some prompts, each pair from the same noise, one picture at a time."""
    denoising = dataclasses.replace(DRAWN, adapt_negative=adapt_negative)
    sampler = Sampler(model, adapter, denoising, unet=unet, llm_states=llm_states)
    base, adapted = (
        [sampler.pictures([text], [seed_of("train", text)], [through])[0] for text in texts]
        for through in (False, True)
    )
    return base, adapted


def write_sheet(path: Path, texts: Sequence[str], base: Sequence[Image.Image], adapted: Sequence[Image.Image]) -> None:
    """Base beside adapted, a prompt after the other; an empty sheet where there is none."""
    pictures = [picture for pair in zip(base, adapted, strict=True) for picture in pair]
    labels = [label for text in texts for label in (f"base: {text}", f"adapted: {text}")]
    with files.atomic_file(path) as temporary:
        images.contact_sheet(pictures, labels, columns=4).save(temporary, "PNG")


def clip_similarity(config: ClipParams, device: str) -> Similarity:
    """Mean of 100 x cosine of pictures and their texts; CLIP is loaded when it is first asked.

    Args:
        config: names the model.
        device: a torch device.
    """
    load = functools.cache(lambda: Clip(config, device))

    def similarity(pictures: Sequence[Image.Image], texts: Sequence[str]) -> float:
        scorer = load()
        return float(LOGIT_SCALE * (scorer.images(pictures) * scorer.texts(texts)).sum(axis=1).mean())

    return similarity
