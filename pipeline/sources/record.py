"""What every source gives: one record a picture with its provenance, or a rejection with its reason."""

import hashlib
import hmac
import json
import math
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import pyarrow as pa

from pipeline import tables
from pipeline.tables import KEY, column

RECORDS = tables.schema(
    column(KEY, pa.string(), "stable id: source, colon, the source's own id"),
    column("source", pa.string(), "lexica, civitai, stable_diffusion_online or an import"),
    column("source_id", pa.string(), "the source's own id"),
    column("page_url", pa.string(), "the page where a person finds the picture"),
    column("image_url", pa.string(), "where the picture's bytes are"),
    column("access_basis", pa.string(), "why this may be read by a program"),
    column("licence", pa.string(), "the licence under which the source publishes"),
    column("licence_url", pa.string(), "where that licence stands"),
    column("nsfw_level", pa.int32(), "bit mask PG 1, PG13 2, R 4, X 8, XXX 16; 0 where the source does not rate"),
    column("prompt", pa.string(), "as the source has it"),
    column("negative_prompt", pa.string(), "as the source has it", nullable=True),
    column("complex_prompt", pa.string(), "the prompt without the syntax of weights, as plain text"),
    column("model", pa.string(), "that drew the picture", nullable=True),
    column("sampler", pa.string(), "as the source names it", nullable=True),
    column("steps", pa.int32(), "of the sampler", nullable=True),
    column("cfg", pa.float32(), "guidance scale", nullable=True),
    column("seed", pa.int64(), "may exceed 32 bits", nullable=True),
    column("width", pa.int32(), "pixels, as the source says", nullable=True),
    column("height", pa.int32(), "pixels, as the source says", nullable=True),
    column("author_hash", pa.string(), "keyed hash of the author's name; the name itself is not kept", nullable=True),
    column("created_at", pa.string(), "ISO 8601, as the source says", nullable=True),
    column("meta_json", pa.string(), "the source's whole item without the author's name"),
)

UNRATED, PG, R, XXX = 0, 1, 4, 16
ALL_LEVELS = 2 * XXX - 1  # every rating of the mask
INT32, INT64 = 2**31, 2**63
MAX_ID = 200


@dataclass(frozen=True, kw_only=True)
class Record:
    """One picture with its prompt: a row of :data:`RECORDS`, whose columns say what each field is."""

    source: str
    source_id: str
    page_url: str
    image_url: str
    access_basis: str
    licence: str
    licence_url: str
    nsfw_level: int
    prompt: str
    complex_prompt: str
    meta_json: str
    negative_prompt: str | None = None
    model: str | None = None
    sampler: str | None = None
    steps: int | None = None
    cfg: float | None = None
    seed: int | None = None
    width: int | None = None
    height: int | None = None
    author_hash: str | None = None
    created_at: str | None = None

    def row(self) -> dict[str, Any]:
        """The record as a row."""
        return {KEY: f"{self.source}:{self.source_id}", **asdict(self)}


@dataclass(frozen=True)
class Rejected:
    """An item of a source that is no record; ``reason`` is one word, counted in the report."""

    source_id: str
    reason: str


Item = Record | Rejected
Fetch = Callable[[str], str]
"""Gives the answer at an address as text."""
Walk = Generator[Item, None, str]
"""Gives items as they come; returns in one word why it ended."""


class Ask(Protocol):
    """A :data:`Fetch` that can also give pages that become records, and send a value as JSON."""

    def __call__(self, url: str) -> str:
        """The answer at an address."""

    def page(self, url: str) -> str:
        """The page at an address; raises FetchError (``noai``) where its ``X-Robots-Tag`` keeps it from training."""

    def post(self, url: str, value: Any) -> str:
        """The answer to a value that is sent there."""


class Unusable(ValueError):  # noqa: N818 - a finding about data, not a fault of the program
    """An item that lacks what a record needs; ``reason`` is one word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def capped(level: int) -> int:
    """A rating of the mask; one beyond the scale is the top of it."""
    return level if level <= ALL_LEVELS else XXX


def author_hash(name: object, salt: str) -> str | None:
    """HMAC-SHA-256 of an author's name, 32 hex digits: equal authors stay equal, names do not come back."""
    if not isinstance(name, str) or not name:
        return None
    return hmac.new(salt.encode(), name.encode(), hashlib.sha256).hexdigest()[:32]


def as_id(value: object) -> str:
    """A source's id as text.

    Raises:
        Unusable: it is none (``malformed``).
    """
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text or len(text) > MAX_ID or not all(sign.isalnum() or sign in "-_." for sign in text):
        raise Unusable("malformed")
    return text


def as_address(value: object) -> str:
    """An https address.

    Raises:
        Unusable: it is none (``no_image_url``).
    """
    if not isinstance(value, str) or not value.startswith("https://"):
        raise Unusable("no_image_url")
    try:
        urlsplit(value)
    except ValueError as error:  # such as https://[x
        raise Unusable("no_image_url") from error
    return value


def as_text(value: object) -> str | None:
    """Text, or None for anything else and for nothing but white space."""
    return value if isinstance(value, str) and value.strip() else None


def as_int(value: object, limit: int = INT32) -> int | None:
    """A whole number below ``limit``, also from text; sites send seeds as strings."""
    number = as_float(value)
    if number is None or number != math.floor(number):
        return None
    exact = int(value) if isinstance(value, int | str) and str(value).lstrip("-").isdecimal() else int(number)
    return exact if -limit <= exact < limit else None


def as_float(value: object) -> float | None:
    """A finite number, also from text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_mapping(value: object) -> Mapping[str, Any]:
    """A JSON object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[Any]:
    """A JSON list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_json(item: Mapping[str, Any], *, without: Collection[str] = ()) -> str:
    """An item as JSON text with sorted keys, some keys left out wherever they stand."""
    return json.dumps(_pruned(item, without), sort_keys=True, ensure_ascii=False)


def _pruned(value: Any, without: Collection[str]) -> Any:
    match value:
        case Mapping():
            return {key: _pruned(inner, without) for key, inner in value.items() if key not in without}
        case list():
            return [_pruned(inner, without) for inner in value]
    return value


def json_value(text: bytes | str) -> Any:
    """JSON as a value that a table can hold.

    Half of a cut emoji is no text and becomes a question mark; numbers that JSON has not (NaN) become null.

    Raises:
        ValueError: it is no UTF-8, no JSON, or nested without end.
    """
    try:
        return without_surrogates(json.loads(text))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def without_surrogates(value: Any) -> Any:
    """A JSON-like value without halves of emojis and without numbers that JSON has not."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    return json.loads(text, parse_constant=lambda _: None)
