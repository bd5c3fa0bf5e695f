"""How good the miniature's judge is: its readings, also of pictures made worse, and its word on their quality."""

import math
import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from miniature import degrading
from miniature.language import complex_prompt
from miniature.measures import GUIDANCE, held_out, share, shown
from miniature.oracle import quality, read
from miniature.world import COLOURS


def oracle(*, count: int = 500) -> dict[str, float]:
    """The oracle's own accuracy on drawn pictures."""
    scenes, drawn = held_out(count)
    readings = [read(picture) for picture in drawn]
    right = shown(drawn, scenes)
    truths = [{(g.kind, g.colour, g.action): g.count for g in scene.groups} for scene in scenes]
    right["kind_right"] = share(
        {key[0] for key in reading.counts()} == {key[0] for key in truth}
        for reading, truth in zip(readings, truths, strict=True)
    )
    return {f"oracle_{name}": value for name, value in right.items()}


def oracle_degraded(
    parts: Mapping[str, Any], *, count: int = 128, steps: int = 50, guidance: float = GUIDANCE
) -> dict[str, float]:
    """The oracle's accuracy on drawn pictures made worse; what the U-Net changed counts as the oracle's fault."""
    rng = random.Random(37)
    scenes, drawn = held_out(count, seed=31)
    prompts = [complex_prompt(scene, rng) for scene in scenes]
    worse = degrading.every_way(parts, drawn, prompts, steps=steps, guidance=guidance)
    return {f"oracle_{way}_{key}": value for way, made in worse for key, value in shown(made, scenes).items()}


def quality_score(*, count: int = 256) -> dict[str, float]:
    """How well the judge's quality ranks pictures by `degrading.graded`: Spearman's correlation, 1 is perfect."""
    from scipy import stats

    graded = degrading.graded(held_out(count, seed=31)[1], np.random.default_rng(41))
    found = {
        way: stats.spearmanr([quality(image) for image in images], levels).statistic
        for way, (images, levels) in graded.items()
    }
    return {f"quality_spearman_{way}": round(-float(value), 4) for way, value in found.items()}


def quality_decoded(parts: Mapping[str, Any], *, count: int = 256) -> dict[str, float]:
    """The judge's word on drawn pictures that only went through the autoencoder, and what it depends on there.

    The correlation (Spearman) is that with the distance in RGB between the ground's colour and the group's that is
    nearest to it: of pictures with faint contours the latents hold the edges less exactly, whoever draws them.
    """
    from scipy import stats

    scenes, drawn = held_out(count, seed=31)
    found = [quality(image) for image in degrading.decoded(parts["vae"], drawn)]
    contrasts = [
        min(math.dist(COLOURS[group.colour], COLOURS[scene.ground]) for group in scene.groups) for scene in scenes
    ]
    return {
        "quality_drawn": round(float(np.mean([quality(image) for image in drawn])), 4),
        "quality_decoded": round(float(np.mean(found)), 4),
        "quality_decoded_spearman_contrast": round(float(stats.spearmanr(found, contrasts).statistic), 4),
    }
