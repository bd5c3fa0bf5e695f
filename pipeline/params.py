"""Reading ``params.yaml``: typed sections, and one line with key, value and line number for every fault.

A section is a frozen model that stands in the module it configures; :func:`load` reads one of them.
"""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError

from pipeline import fault_words
from pipeline.errors import SettingError

PARAMS = Path("params.yaml")

Names = Annotated[tuple[str, ...], Field(strict=False)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A section of params.yaml: immutable, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


SectionT = TypeVar("SectionT", bound=BaseModel)


def load(section: type[SectionT], name: str, path: Path = PARAMS) -> SectionT:
    """Read and check one section, for instance ``load(LlmParams, "llm")``; dots reach into it (``sources.lexica``).

    Raises:
        SettingError: the file is missing or no YAML, the section is missing, or a value is wrong.
    """
    document = read(path)
    value: Any = document
    for key in name.split("."):
        if not isinstance(value, Mapping) or key not in value:
            raise SettingError(f"{name} is missing ({path})")
        value = value[key]
    return _validate(section, value, document, path, prefix=tuple(name.split(".")))


def load_all(settings: type[SectionT], path: Path = PARAMS) -> SectionT:
    """Read and check the whole file against a model whose fields are the sections."""
    document = read(path)
    return _validate(settings, document, document, path, prefix=())


def read(path: Path) -> CommentedMap:
    """Parse the file, keeping line numbers."""
    try:
        document = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingError(f"{path} is missing: restore it with git checkout {path}") from error
    except UnicodeDecodeError as error:
        raise SettingError(f"{path} is not UTF-8 text: {error}") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise SettingError(f"{path}, line {line}: not valid YAML: {error.problem}") from error
    if not isinstance(document, CommentedMap):
        raise SettingError(f"{path} holds no settings: restore it with git checkout {path}")
    return document


def wrong(key: str, message: str, path: Path = PARAMS) -> SettingError:
    """The error for a fault that only shows beyond the file: ``wrong("llm.layer", "must be 1 to 40, got 41")``."""
    return SettingError(f"{key} {message}{_place(read(path), tuple(key.split('.')), path)}")


def _validate(
    section: type[SectionT], value: Any, document: CommentedMap, path: Path, *, prefix: tuple[str, ...]
) -> SectionT:
    content = _plain(value)
    try:
        return section.model_validate(content)
    except ValidationError as error:
        faults = [(fault, fault_words.keys(fault, content)) for fault in error.errors(include_url=False)]
        lines = [_sentence(fault, (*prefix, *keys), document, path, section) for fault, keys in faults]
        raise SettingError("\n".join(lines)) from error


def _plain(value: Any) -> Any:
    """The YAML reader's own types as plain Python ones."""
    match value:
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case bool() | None:
            return value
        case int() | float() | str():
            return next(kind(value) for kind in (int, float, str) if isinstance(value, kind))
    return value


def _sentence(
    fault: ErrorDetails, keys: tuple[str, ...], document: CommentedMap, path: Path, section: type[BaseModel]
) -> str:
    key, place = ".".join(keys), _place(document, keys, path)
    if fault["type"] == "extra_forbidden":
        return f"{key} is not a setting{_guess(keys[-1], _known(section, fault['loc']))}{place}"
    return f"{key} {fault_words.words(fault)}{place}"


def _known(section: type[BaseModel], location: tuple[int | str, ...]) -> Iterable[str]:
    """The keys that are allowed where the fault is."""
    for part in location[:-1]:
        field = section.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return ()
        section = field.annotation
    return section.model_fields


def _guess(key: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _place(document: CommentedMap, keys: tuple[str, ...], path: Path) -> str:
    """``(params.yaml, line 31)`` for the deepest of the keys that the file has."""
    line, node = None, document
    for key in keys:
        if not isinstance(node, CommentedMap) or key not in node:
            break
        line = node.lc.data[key][0] + 1
        node = node[key]
    return f" ({path}, line {line})" if line is not None else f" ({path})"
