"""A working copy for the run: this one's files with other settings, and data, DVC cache and work store of its own."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.random_models import Named
from bench.real_run import pictures, profile
from pipeline import files, prompts
from pipeline.errors import InputError

ROOT = Path(__file__).parents[2]
LEFT_OUT = ("data", "docs", "tests", "bench", "dvc.lock", "params.yaml")
"""What the copy has not: results, and what no stage reads."""
ANSWERS = "reviews"
KEPT_OF_ANSWERS = ("README.md", ".gitkeep")
"""People's answers are about other pictures and stay out; the folders must not be missing."""
SHOWN_PROMPTS = 2
STATE = "state.json"
"""What the copy was made from: another state begins it anew."""
ALONE = "[core]\n    no_scm = true\n"  # git sees nothing of the copy, and needs not to


def prepared(folder: Path, models: Mapping[str, Named], drawn: Path, *, side_px: int) -> Path:
    """The copy, gone on with where it was made from the same files and settings, else begun anew.

    Args:
        folder: of the copy.
        models: what the profile is filled with.
        drawn: folder of the pictures that are imported.
        side_px: of the pictures that the diffusion model takes.

    Raises:
        InputError: the working copy here is no git checkout, whose files could be listed.
    """
    if not drawn.is_dir():
        pictures.write(drawn)
    params = profile.filled(models, drawn, side_px=side_px)
    state = files.digest([params, {name: files.file_digest(ROOT / name) for name in tracked()}])
    noted = folder / STATE
    if not noted.is_file() or json.loads(noted.read_text(encoding="utf-8")) != state:
        with files.atomic_folder(folder) as temporary:
            _fill(temporary, params)
            files.write_json(temporary / STATE, state)
    return folder


def tracked() -> list[str]:
    """The files that the workflow reads, as git knows them, with uncommitted edits and new files."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{ROOT} is no git checkout: {done.stderr.strip()}")
    return sorted(name for name in set(done.stdout.splitlines()) if _is_copied(Path(name)))


def _is_copied(name: Path) -> bool:
    top = name.parts[0]
    wanted = name.name in KEPT_OF_ANSWERS if top == ANSWERS else top not in LEFT_OUT
    return wanted and (ROOT / name).is_file()


def _fill(folder: Path, params: str) -> None:
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    files.write_text(folder / ".dvc" / "config.local", ALONE)
    files.write_text(folder / "params.yaml", params)
    files.write_json(folder / profile.PROMPTS, _prompts())


def _prompts() -> list[object]:
    """The paper's first prompt of each of two types."""
    paper = ROOT / "prompts" / "paper.json"
    wanted = {prompt.id for prompt in prompts.first_of_each_type(prompts.read([paper]), 1)[:SHOWN_PROMPTS]}
    return [entry for entry in files.read_json(paper) if entry["id"] in wanted]
