"""The miniature's evaluation prompts: held-out compositions, a third of them in wording that no training ever saw.

    python -m miniature.evaluation_prompts [prompts/miniature.json]

Within each skill the prompts go round its values and wordings, so that any first part of them is balanced.
"""

import argparse
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from miniature import world
from miniature.language import atoms, complex_prompt, simple_prompt
from miniature.words import Wording
from miniature.world import Scene, composition, sample_held_out_scene
from pipeline.files import write_json

TARGET = Path("prompts/miniature.json")
PER_SKILL = 60
SKILLS = ("counting", "colour", "action")
_WORDINGS: tuple[Wording, ...] = ("seen", "unseen", "seen")
_SEED = 20_260


def main() -> None:
    """Write the prompt file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", type=Path, default=TARGET)
    write_json(parser.parse_args().target, prompts())


def prompts(*, per_skill: int = PER_SKILL, seed: int = _SEED) -> list[dict[str, Any]]:
    """All prompts, skill by skill, each with the atoms of its skill; no composition comes twice."""
    rng = random.Random(seed)
    taken: set[str] = set()
    return [_prompt(skill, index, rng, taken) for skill in SKILLS for index in range(per_skill)]


def _prompt(skill: str, index: int, rng: random.Random, taken: set[str]) -> dict[str, Any]:
    fits = _wanted(skill, index)
    scene = sample_held_out_scene(rng)
    while not fits(scene) or composition(scene) in taken:
        scene = sample_held_out_scene(rng)
    taken.add(composition(scene))
    wording = _WORDINGS[index % len(_WORDINGS)]
    return {
        "id": f"miniature-{skill}-{index:02}",
        "text": simple_prompt(scene, rng, wording=wording),
        "complex": complex_prompt(scene, rng),
        "type": skill,
        "atoms": [atom for atom in atoms(scene) if atom["skill"] == skill],
        "source": "miniature",
        "wording": wording,
    }


def _wanted(skill: str, index: int) -> Callable[[Scene], bool]:
    """What the scene of a skill's prompt number `index` must show."""
    if skill == "counting":
        count = 1 + index % world.MAX_COUNT
        return lambda scene: len(scene.groups) == 1 and not _people(scene) and scene.groups[0].count == count
    if skill == "colour":
        colour = world.OBJECT_COLOURS[index % len(world.OBJECT_COLOURS)]
        groups = 2 if index % 5 == 4 else 1
        return lambda scene: len(scene.groups) == groups and not _people(scene) and scene.groups[0].colour == colour
    action = world.ACTIONS[index % len(world.ACTIONS)]
    return lambda scene: scene.groups[0].action == action


def _people(scene: Scene) -> bool:
    return scene.groups[0].kind == world.PERSON


if __name__ == "__main__":
    main()
