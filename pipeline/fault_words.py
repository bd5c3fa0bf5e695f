"""What pydantic finds wrong, in this project's words: the key, what is wrong with it, and what was found."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

SUBJECT = re.compile("^(Input|String|List|Tuple|Dictionary) should ")  # the key stands in its place
LONGEST = 100  # characters of a value that is shown


def told(error: ValidationError, content: Any = None, *, what: str = "") -> str:
    """The first fault.

    Args:
        error: what was raised.
        content: what was checked, where it is at hand, see :func:`keys`.
        what: what a key is called, for instance ``column``.
    """
    fault = error.errors(include_url=False)[0]
    key = ".".join(keys(fault, content))
    if not key:
        return fault["msg"].removeprefix("Value error, ")
    return " ".join([what, key, words(fault)] if what else [key, words(fault)])


def words(fault: ErrorDetails) -> str:
    """What is wrong, as it follows the key."""
    match fault["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not known"
    message = SUBJECT.sub("should ", fault["msg"].removeprefix("Value error, "))
    return f"{message[:1].lower()}{message[1:]}, got {_shown(fault['input'])}"


def keys(fault: ErrorDetails, content: Any = None) -> tuple[str, ...]:
    """The keys that lead to a fault, as the user wrote them.

    Args:
        fault: pydantic's, whose place names a union's member too (``sample.prompts.0.str``).
        content: what was checked; None leaves such names in.
    """
    if content is None:
        return tuple(map(str, fault["loc"]))
    return tuple(_there(fault["loc"], content, is_whole=fault["type"] == "value_error"))


def _there(location: Sequence[int | str], content: Any, *, is_whole: bool) -> Iterator[str]:
    for part in location[:-1]:
        match content:
            case Mapping() if part in content:
                content = content[part]
            case list() | tuple() if isinstance(part, int):
                content = content[part]
            case _:
                continue
        yield str(part)
    for last in location[-1:]:  # it may be missing; of a fault of the whole it may be the union's member
        if isinstance(last, int) or (isinstance(content, Mapping) and (last in content or not is_whole)):
            yield str(last)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
