"""A study that a file describes: a title, rows of settings, and which rows are compared prompt by prompt."""

import copy
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from pipeline import params
from pipeline.errors import SettingError
from pipeline.fault_words import told
from pipeline.params import Section
from pipeline.settings import Settings
from pipeline.studies.definitions import STUDIES, Contrast, Row, Study, limited

ENDING = ".yaml"
Name = Annotated[str, Field(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]
"""A part of an experiment's name."""
Text = Annotated[str, Field(min_length=1)]


class WrittenRow(Section):
    """One experiment."""

    key: Name
    """Its part of the experiment's name."""
    label: Text
    """What table and chart call it."""
    set: dict[str, Any]
    """Dotted key of params.yaml -> value; ``{}`` is the row with the settings in force."""


class WrittenContrast(Section):
    """Two rows that differ in one thing."""

    about: Text
    """The thing, as the subject of a sentence."""
    where: Text
    """What else holds in both rows, as the sentence goes on."""
    present: Name
    """Key of the row that has it."""
    absent: Name
    """Key of the row that lacks it."""


class StudyFile(Section):
    """The whole file."""

    title: Text
    rows: Annotated[tuple[WrittenRow, ...], Field(strict=False, min_length=1)]
    contrasts: Annotated[tuple[WrittenContrast, ...], Field(strict=False)] = ()


def is_file(name: str) -> bool:
    """Whether ``sur study`` was given a file and not the name of a study."""
    return name.endswith(ENDING)


def read(path: Path, settings: Settings, *, prompts_per_type: int | None = None) -> Study:
    """The study of a file; every row's settings are checked.

    Args:
        path: its name, without the ending, is the study's.
        settings: all of params.yaml, which the rows change.
        prompts_per_type: evaluation prompts of each skill; None leaves that to params.yaml and the rows.

    Raises:
        SettingError: one line for what is wrong with the file, or with the settings of one of its rows.
    """
    if not path.is_file():
        raise SettingError(f"{path} is missing: studies that need no file are {', '.join(STUDIES)}")
    found = params.load_all(StudyFile, path)
    _require_names(found, path)
    for row in found.rows:
        changed(settings, row.set, f"{path}, row {row.key}")
    return limited(
        Study(
            path.stem,
            found.title,
            [Row(row.key, row.label, row.set) for row in found.rows],
            [Contrast(**pair.model_dump()) for pair in found.contrasts],
            file=path.as_posix(),
        ),
        prompts_per_type,
    )


def _require_names(found: StudyFile, path: Path) -> None:
    if path.stem in STUDIES:
        raise SettingError(f"{path} has the name of a study that is there already: give the file another")
    for kind in ("key", "label"):
        twice = [name for name, count in Counter(getattr(row, kind) for row in found.rows).items() if count > 1]
        if twice:
            raise SettingError(f"{path}: two rows have the {kind} {twice[0]}")
    keys = {row.key for row in found.rows}
    for pair in found.contrasts:
        for key in (pair.present, pair.absent):
            if key not in keys:
                raise SettingError(f"{path}: a contrast names {key}, which is no row's key")


def changed(settings: Settings, overrides: Mapping[str, Any], where: str) -> Settings:
    """The settings of one row.

    Args:
        settings: all of params.yaml.
        overrides: dotted key -> value.
        where: for messages.

    Raises:
        SettingError: a key is no setting, or its value is wrong.
    """
    content = copy.deepcopy(settings.model_dump(mode="json"))
    for key, value in overrides.items():
        *sections, last = key.split(".")
        place: Any = content
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            raise SettingError(f"{where}: {key} is not a setting")
        place[last] = value
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        raise SettingError(f"{where}: {told(error, content)}") from error
