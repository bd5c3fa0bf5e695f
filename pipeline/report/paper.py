"""What the SUR-adapter paper printed, to stand in grey beside ours where the models are the paper's.

Source: arXiv 2305.05189, Tables 2 and 3 (LLaMA-13B layer 40) and Table 7. Accuracies in per cent.
"""

from collections.abc import Mapping

Arms = tuple[float, float]
"""Baseline, with the adapter."""

MODELS: Mapping[str, str] = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "sd15",
    "nitrosocke/Ghibli-Diffusion": "cartoon",
}

METHODS = ("none", "canny", "seg", "weighting", "panorama", "sag")
"""The rows of Tables 2 and 3, by the names of ``sample.methods``: the paper's ControlNets, prompt weighting,
MultiDiffusion and self-attention guidance."""
METRICS = ("clip_score", "action", "colour", "counting", "brisque", "clip_iqa", "musiq", "preference")


def _figures(*arms: Arms) -> Mapping[str, Arms]:
    return dict(zip(METRICS, arms, strict=True))


TABLES_2_AND_3: Mapping[str, Mapping[str, Mapping[str, Arms]]] = {
    "sd15": {
        "none": _figures(
            (0.498, 0.517),
            (75.33, 80.67),
            (81.33, 87.33),
            (14.67, 36.67),
            (13.85, 14.78),
            (0.686, 0.688),
            (67.38, 67.04),
            (48.31, 51.69),
        ),
        "canny": _figures(
            (0.508, 0.492),
            (76.67, 84.67),
            (68.67, 69.33),
            (96.0, 94.0),
            (22.68, 25.15),
            (0.673, 0.668),
            (67.41, 67.14),
            (49.81, 50.19),
        ),
        "seg": _figures(
            (0.481, 0.472),
            (7.33, 9.33),
            (10.0, 10.67),
            (40.67, 62.0),
            (39.86, 42.12),
            (0.662, 0.668),
            (64.12, 65.71),
            (53.56, 46.44),
        ),
        "weighting": _figures(
            (0.486, 0.514),
            (78.0, 85.33),
            (91.33, 88.0),
            (43.33, 58.0),
            (13.29, 13.74),
            (0.681, 0.691),
            (66.97, 67.02),
            (47.94, 52.06),
        ),
        "panorama": _figures(
            (0.47, 0.516),
            (74.67, 88.67),
            (87.33, 81.33),
            (23.33, 62.67),
            (10.84, 11.83),
            (0.696, 0.691),
            (66.6, 67.95),
            (52.06, 47.94),
        ),
        "sag": _figures(
            (0.474, 0.526),
            (73.33, 86.0),
            (86.0, 86.67),
            (12.67, 14.0),
            (15.08, 17.06),
            (0.694, 0.706),
            (67.51, 68.97),
            (48.31, 51.69),
        ),
    },
    "cartoon": {
        "none": _figures(
            (0.467, 0.49),
            (58.0, 68.67),
            (82.0, 88.0),
            (21.33, 38.0),
            (15.74, 19.53),
            (0.699, 0.707),
            (66.07, 67.03),
            (50.94, 49.06),
        ),
        "canny": _figures(
            (0.514, 0.486),
            (83.33, 81.33),
            (47.33, 67.33),
            (74.0, 86.67),
            (18.68, 18.49),
            (0.697, 0.696),
            (67.98, 67.95),
            (50.56, 49.44),
        ),
        "seg": _figures(
            (0.509, 0.491),
            (38.67, 51.33),
            (28.0, 30.67),
            (45.33, 62.0),
            (35.84, 31.96),
            (0.71, 0.701),
            (67.51, 67.68),
            (51.69, 48.31),
        ),
        "weighting": _figures(
            (0.554, 0.546),
            (84.0, 79.33),
            (88.67, 91.33),
            (41.33, 50.0),
            (17.62, 19.12),
            (0.714, 0.698),
            (67.38, 66.46),
            (51.31, 48.69),
        ),
        "panorama": _figures(
            (0.413, 0.587),
            (63.33, 80.67),
            (88.0, 87.33),
            (18.67, 36.67),
            (14.88, 15.96),
            (0.709, 0.711),
            (68.05, 67.26),
            (47.94, 52.06),
        ),
        "sag": _figures(
            (0.44, 0.56),
            (65.33, 73.33),
            (72.67, 86.0),
            (16.67, 39.33),
            (20.44, 20.98),
            (0.705, 0.706),
            (67.74, 66.9),
            (52.43, 47.57),
        ),
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


def rows(diffusion_model: str) -> Mapping[str, Mapping[str, Arms]]:
    """Method -> metric -> the paper's figures for a diffusion model; empty where it is not one of the paper's."""
    return TABLES_2_AND_3.get(MODELS.get(diffusion_model, ""), {})
