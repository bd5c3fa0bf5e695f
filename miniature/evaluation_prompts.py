"""The miniature's evaluation prompts: held-out compositions, a third of them in wording that no training ever saw.

    python -m miniature.evaluation_prompts [prompts/miniature.json]

Beside the file, in ``conditioning/miniature-seg/``, it writes the segments of a drawing of each prompt's scene: what
``sample.controlnets.seg`` shows its ControlNet (the paper's authors chose such pictures by hand).

Within each skill the prompts go round its values and wordings, so that any first part of them is balanced.
"""

import argparse
import io
import random
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from miniature import world
from miniature.conditions import segments
from miniature.language import atoms, complex_prompt, simple_prompt
from miniature.words import Wording
from miniature.world import Scene, composition, sample_held_out_scene
from pipeline.files import write_bytes, write_json
from pipeline.seeds import seed_of

TARGET = Path("prompts/miniature.json")
PER_SKILL = 60
SKILLS = ("counting", "colour", "action")
_WORDINGS: tuple[Wording, ...] = ("seen", "unseen", "seen")
_VALUES: dict[str, tuple[int | str, ...]] = {
    "counting": tuple(range(1, world.MAX_COUNT + 1)),
    "colour": world.OBJECT_COLOURS,
    "action": world.ACTIONS,
}
_DRAWS = 2000
_SEED = 20_260


def main() -> None:
    """Write the prompt file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", type=Path, default=TARGET)
    target = parser.parse_args().target
    scenes, made = zip(*prompts(), strict=True)
    write_json(target, list(made))
    folder = target.parent / "conditioning" / f"{target.stem}-seg"
    for scene, prompt in zip(scenes, made, strict=True):
        write_bytes(folder / f"{prompt['id']}.png", _segments(scene, prompt["id"]))


def _segments(scene: Scene, prompt_id: str) -> bytes:
    stream = io.BytesIO()
    segments(scene, seed_of("segments", prompt_id)).save(stream, "PNG")
    return stream.getvalue()


def prompts() -> list[tuple[Scene, dict[str, Any]]]:
    """All prompts, skill by skill, each with its scene and with the atoms of its skill.

    No composition comes twice, as long as there are others: of some actions few are held out.
    """
    rng, used = random.Random(_SEED), Counter[str]()
    return [_prompt(skill, index, rng, used) for skill in SKILLS for index in range(PER_SKILL)]


def _prompt(skill: str, index: int, rng: random.Random, used: Counter[str]) -> tuple[Scene, dict[str, Any]]:
    values = _VALUES[skill]
    scene = _scene(_wanted(skill, values[index % len(values)], index), rng, used)
    shift = 0 if len(values) % len(_WORDINGS) else index // len(values)  # else each value would have one wording only
    wording = _WORDINGS[(index + shift) % len(_WORDINGS)]
    return scene, {
        "id": f"miniature-{skill}-{index:02}",
        "text": simple_prompt(scene, rng, wording=wording),
        "complex": complex_prompt(scene, rng),
        "type": skill,
        "atoms": [atom for atom in atoms(scene) if atom["skill"] == skill],
        "source": "miniature",
        "wording": wording,
    }


def _scene(fits: Callable[[Scene], bool], rng: random.Random, used: Counter[str]) -> Scene:
    """A held-out scene that fits, of a composition that was used least, as far as so many draws can tell."""
    for draw in count():
        scene = sample_held_out_scene(rng)
        if fits(scene) and used[composition(scene)] <= draw // _DRAWS:
            break
    used[composition(scene)] += 1
    return scene


def _wanted(skill: str, value: int | str, index: int) -> Callable[[Scene], bool]:
    """What the scene of a skill's prompt number `index` must show."""
    if skill == "counting":
        return lambda scene: len(scene.groups) == 1 and not _people(scene) and scene.groups[0].count == value
    if skill == "colour":
        groups = 2 if index % 5 == 4 else 1
        return lambda scene: len(scene.groups) == groups and not _people(scene) and scene.groups[0].colour == value
    return lambda scene: scene.groups[0].action == value


def _people(scene: Scene) -> bool:
    return scene.groups[0].kind == world.PERSON


if __name__ == "__main__":
    main()
