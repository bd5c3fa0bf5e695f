"""What the SUR-adapter paper printed, to stand in grey beside ours where the models are the paper's.

Source: arXiv 2305.05189, Tables 2 and 3 (method none, LLaMA-13B layer 40) and Table 7. Accuracies in per cent.
"""

from collections.abc import Mapping

Arms = tuple[float, float]
"""Baseline, with the adapter."""

MODELS: Mapping[str, str] = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "sd15",
    "nitrosocke/Ghibli-Diffusion": "cartoon",
}

TABLES_2_AND_3: Mapping[str, Mapping[str, Arms]] = {
    "sd15": {
        "clip_score": (0.498, 0.517),
        "action": (75.33, 80.67),
        "colour": (81.33, 87.33),
        "counting": (14.67, 36.67),
        "brisque": (13.85, 14.78),
        "clip_iqa": (0.686, 0.688),
        "musiq": (67.38, 67.04),
        "preference": (48.31, 51.69),
    },
    "cartoon": {
        "clip_score": (0.467, 0.490),
        "action": (58.00, 68.67),
        "colour": (82.00, 88.00),
        "counting": (21.33, 38.00),
        "brisque": (15.74, 19.53),
        "clip_iqa": (0.699, 0.707),
        "musiq": (66.07, 67.03),
        "preference": (50.94, 49.06),
    },
}

TABLE_7: Mapping[str, Arms] = {
    "Four freshly baked pies.": (63.08, 73.85),
    "Six colorful hot air balloons floating over a picturesque landscape.": (8.46, 41.54),
    "Seven vintage glass bottles.": (0.0, 36.92),
    "A vibrant red sports car speeding down a winding road.": (86.15, 93.85),
    "The blue glass containing red juice.": (17.69, 20.0),
    "A couple wearing blue and yellow solid color clothes respectively.": (0.0, 6.92),
    "Someone shooting a basketball on the sports field.": (41.54, 56.92),
    "Giraffes eating trees.": (25.38, 50.77),
    "A chef tossing a pizza dough in the air in a kitchen.": (15.38, 32.31),
}
SOURCE_OF_TABLE_7 = "paper_table7"


def row(diffusion_model: str) -> Mapping[str, Arms]:
    """The paper's figures for a diffusion model; empty where it is not one of the paper's."""
    return TABLES_2_AND_3.get(MODELS.get(diffusion_model, ""), {})
