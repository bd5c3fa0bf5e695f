"""What decides the results of all rows of a study, as one digest: what is finished under the same one is not run again.

It covers the content of every file that dvc.yaml lists as read from outside, the wiring and the settings; it knows
nothing of commits. So an edit of the README or of results asks for nothing anew, an edit of the trainer for everything.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline import files, model_folders, params
from pipeline.errors import InputError
from pipeline.params import PARAMS, wrong
from pipeline.report.study_pages import FOLDER
from pipeline.settings import Settings
from pipeline.studies.commands import Run, require

WIRING = Path("dvc.yaml")
FILES = ("model", "weights", "path", "folder", "expanded")
"""Settings that may name a file or folder, wherever they stand."""


def fingerprint(settings: Settings, run: Run) -> str:
    """Sixteen hex digits for everything that the rows of a study share.

    Raises:
        InputError: this is no git repository, or a file that a stage reads is not in git: a queued experiment runs in
            a copy made by git and would not see it.
    """
    stages = params.read(WIRING)["stages"]
    read = sorted(_read_from_outside(stages))
    _require_in_git(read, run)
    return files.digest(
        {
            "settings": settings.model_dump(mode="json", exclude={"compute"}),
            "stages": stages,
            "files": {name: _content(Path(name)) for name in _listed(run, "--cached", *read)},
        }
    )


def require_visible_models(settings: Settings, run: Run, path: Path = PARAMS) -> None:
    """Refuse a relative path that git does not hold: a queued experiment would look for it in its own copy.

    Looked at are models, files of weights, public prompts, conditioning pictures and what enabled imports read.

    Raises:
        SettingError: names the key and says what to do.
    """
    for key, name in _named(_read_by_stages(settings), ()):
        there = model_folders.is_folder(name) or Path(name).exists()
        if there and not name.startswith(("/", "~")) and not _listed(run, "--cached", name):
            needed = "so queued experiments do not see it: git add it, or give an absolute path"
            raise wrong(key, f"is a relative path that git does not hold, {needed}, got {name}", path)


def _read_by_stages(settings: Settings) -> dict[str, Any]:
    """All settings but those of imports that are not enabled."""
    content = settings.model_dump(mode="json")
    idle = set(settings.sources.imports) - set(settings.sources.enabled)
    content["sources"] = {key: value for key, value in content["sources"].items() if key not in idle}
    return content


def _named(content: Any, place: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Dotted key and value of every setting that may name a file or folder."""
    match content:
        case dict() | list():
            items = content.items() if isinstance(content, dict) else enumerate(content)
            for key, value in items:
                yield from _named(value, (*place, str(key)))
        case str() if content and place[-1] in FILES:
            yield ".".join(place), content


def _require_in_git(read: list[str], run: Run) -> None:
    unknown = _listed(run, "--others", "--exclude-standard", str(PARAMS), str(WIRING), *read)
    if unknown:
        more = f" and {len(unknown) - 1} more" if unknown[1:] else ""
        raise InputError(f"{unknown[0]}{more} not in git, so queued experiments would not see it: git add {unknown[0]}")


def _listed(run: Run, kind: str, *names: str) -> list[str]:
    found = require(run, ["git", "ls-files", "-z", kind, "--", *names], "git cannot list the files of this folder")
    return sorted(name for name in found.split("\0") if name)


def _content(path: Path) -> str | None:
    return files.file_digest(path) if path.is_file() else None


def _read_from_outside(stages: Mapping[str, Any]) -> set[str]:
    """The dependencies that no stage writes. Pages of studies are shown by the report and decide no row's result."""
    written = {place for stage in stages.values() for kind in ("outs", "metrics") for place in _places(stage, kind)}
    read = {place for stage in stages.values() for place in _places(stage, "deps")}
    return {
        str(place)
        for place in read
        if place != PurePosixPath(FOLDER.as_posix())
        and not any(place.is_relative_to(out) or out.is_relative_to(place) for out in written)
    }


def _places(stage: Mapping[str, Any], kind: str) -> Iterator[PurePosixPath]:
    """Paths of a stage; one with ``${...}`` in it stands for the folder in front of that."""
    for entry in stage.get(kind, ()):
        name = str(entry if isinstance(entry, str) else next(iter(entry)))
        plain, templated, _ = name.partition("${")
        yield PurePosixPath(f"{plain}x").parent if templated else PurePosixPath(name)
