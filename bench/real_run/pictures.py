"""What the run imports: eight pictures drawn here, with prompts, as a Hugging Face ImageFolder."""

import json
import random
from pathlib import Path

from miniature import language, world
from pipeline.files import atomic_folder

COUNT, SIDE_PX = 8, 512
SEED = 7
FIRST = 6
"""Number of the first: with these names the profile's split puts one picture into ``val`` and none into ``test``."""


def write(folder: Path) -> None:
    """The pictures and ``metadata.jsonl``, whole or not at all; always the same bytes."""
    draw = random.Random(SEED)
    with atomic_folder(folder) as temporary:
        rows = []
        for number in range(FIRST, FIRST + COUNT):
            scene = world.sample_scene(draw)
            name = f"drawing-{number:02d}.png"
            world.draw(scene, number, side_px=SIDE_PX).save(temporary / name)
            rows.append({"file_name": name, "prompt": language.complex_prompt(scene, draw)})
        lines = [json.dumps(row) + "\n" for row in rows]
        (temporary / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")
