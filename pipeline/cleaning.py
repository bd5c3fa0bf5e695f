"""What makes a downloaded picture with its prompt a sample, and what drops it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from pipeline import samples, tables
from pipeline.errors import InputError
from pipeline.grouping import Groups, Split, near_pairs, split_of
from pipeline.params import Section, Share
from pipeline.picture_facts import THUMBNAIL_BYTES
from pipeline.tables import column

CLEANED = tables.extend(
    samples.SAMPLES,
    column("group", pa.string(), "samples of one prompt or with near-duplicate pictures; never split"),
    column("source_id", pa.string(), "the source's own id"),
    column("image_url", pa.string(), "where the picture's bytes were"),
    column("licence_url", pa.string(), "where the licence stands"),
    column("access_basis", pa.string(), "why this was read by a program"),
    column("nsfw_level", pa.int32(), "bit mask as in RECORDS, the highest of all copies of the picture"),
    column("prompt", pa.string(), "as the source has it"),
    column("negative_prompt", pa.string(), "as the source has it", nullable=True),
    column("model", pa.string(), "that drew the picture", nullable=True),
    column("sampler", pa.string(), "as the source names it", nullable=True),
    column("steps", pa.int32(), "of the sampler", nullable=True),
    column("cfg", pa.float32(), "guidance scale", nullable=True),
    column("seed", pa.int64(), "of the picture's generation", nullable=True),
    column("author_hash", pa.string(), "keyed hash of the author's name", nullable=True),
    column("created_at", pa.string(), "ISO 8601, as the source says", nullable=True),
    column("width", pa.int32(), "of the decoded, upright picture, pixels"),
    column("height", pa.int32(), "of the decoded, upright picture, pixels"),
    column("phash", pa.string(), "64-bit perceptual hash, 16 hex digits"),
)
SETTINGS = {
    "too_small": "clean.min_side_px",
    "too_long": "clean.max_aspect",
    "unsafe": "clean.max_nsfw_level",
    "takedown": "takedown.txt",
    "evaluation_prompt": "sample.prompts",
    "near_duplicate": "clean.phash_distance",
}
"""The setting behind a reason to drop, named when nothing is left."""
REASONS = (
    "takedown",
    "no_image",
    "broken_image",
    "too_many_pixels",
    "too_small",
    "too_long",
    "unsafe",
    "no_prompt",
    "evaluation_prompt",
    "exact_duplicate",
    "near_duplicate",
)
"""All reasons to drop, in the order in which they are checked."""


class CleanParams(Section):
    """Section ``clean`` of params.yaml."""

    min_side_px: int = Field(ge=1, le=10_000)
    """Shortest side that is kept, pixels; the paper's pictures are 512."""

    max_aspect: float = Field(ge=1.0, le=100.0)
    """Largest longer side by shorter side; LAION-type filters take 3."""

    max_nsfw_level: int = Field(ge=1, le=31)
    """Highest rating that is kept: PG 1, PG13 2, R 4, X 8, XXX 16. Sources that do not rate give 0, which is kept."""

    phash_distance: int = Field(ge=0, le=32)
    """Near duplicates: largest Hamming distance of two 64-bit perceptual hashes; 4 to 8 is usual."""

    colour_distance: float = Field(ge=0.0, le=255.0)
    """Near duplicates: largest mean difference of two 8 x 8 RGB thumbnails, of 255 levels. JPEG at quality 60 and
    resizing stay below 4."""

    val_share: Share
    """Expected share of prompt groups in ``val``."""

    test_share: Share
    """Expected share of prompt groups in ``test``."""

    seed: int = Field(ge=0)
    """Another seed is another split."""

    @model_validator(mode="after")
    def _something_to_train_on(self) -> Self:
        if self.val_share + self.test_share >= 1.0:
            raise ValueError("val_share and test_share leave nothing for train: their sum must be below 1")
        return self


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What decides about one downloaded row."""

    sample_id: str
    image_sha256: str
    names: frozenset[str]
    """Everything by which a takedown list may mean it: id, addresses, SHA-256."""
    prompt: str
    """Normalised; compared in lower case."""
    nsfw_level: int
    fault: str | None
    width: int
    height: int
    phash: str
    thumbnail: bytes

    @property
    def prompt_key(self) -> str:
        """What two equal prompts share."""
        return prompt_key(self.prompt)


@dataclass(frozen=True)
class Outcome:
    """What became of one candidate: a reason to drop it, or its group and split."""

    drop_reason: str | None
    group: str
    split: Split


def prompt_key(prompt: str) -> str:
    """A prompt in lower case with single spaces: equal keys are the same prompt."""
    return " ".join(prompt.lower().split())


def read_takedowns(path: Path) -> frozenset[str]:
    """The entries of a takedown list: one sample id, address or SHA-256 a line; ``#`` begins a comment line.

    Raises:
        InputError: there is no such file.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: restore it (git checkout {path}); an empty file is fine") from error
    return frozenset(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def judge(
    candidates: Sequence[Candidate],
    config: CleanParams,
    *,
    taken_down: Collection[str],
    evaluation_prompts: Collection[str],
) -> list[Outcome]:
    """Decide about all candidates together.

    Args:
        candidates: sorted by ``sample_id``; of duplicates the first stays.
        config: settings.
        taken_down: entries of the takedown list; exact copies of a picture that it means go with it.
        evaluation_prompts: prompt keys that must not be learned.
    """
    removed = {item.image_sha256 for item in candidates if not item.names.isdisjoint(taken_down)}
    levels: dict[str, int] = {}
    for item in candidates:
        levels[item.image_sha256] = max(item.nsfw_level, levels.get(item.image_sha256, 0))
    reasons: dict[str, str] = {}
    for item in candidates:
        reason = "takedown" if item.image_sha256 in removed else _fault(item, config, levels, evaluation_prompts)
        if reason:
            reasons[item.sample_id] = reason
    groups = Groups(item.sample_id for item in candidates)
    left = [item for item in candidates if item.sample_id not in reasons]
    reasons.update(_exact_duplicates(left, groups))
    left = [item for item in left if item.sample_id not in reasons]
    reasons.update(_near_duplicates(left, groups, config))
    _join_equal_prompts(left, groups)
    return [_outcome(item, reasons.get(item.sample_id), groups, config) for item in candidates]


def _fault(item: Candidate, config: CleanParams, levels: dict[str, int], evaluation: Collection[str]) -> str | None:
    """The first thing that is wrong with a candidate by itself."""
    if item.fault:
        return item.fault
    shorter, longer = sorted((item.width, item.height))
    checks = {
        "too_small": shorter < config.min_side_px,
        "too_long": longer > config.max_aspect * shorter,
        "unsafe": levels[item.image_sha256] > config.max_nsfw_level,
        "no_prompt": not item.prompt_key,
        "evaluation_prompt": item.prompt_key in evaluation,
    }
    return next((reason for reason, failed in checks.items() if failed), None)


def _exact_duplicates(items: Iterable[Candidate], groups: Groups) -> dict[str, str]:
    first: dict[str, str] = {}
    found: dict[str, str] = {}
    for item in items:
        if item.image_sha256 in first:
            found[item.sample_id] = "exact_duplicate"
            groups.join(first[item.image_sha256], item.sample_id)
        else:
            first[item.image_sha256] = item.sample_id
    return found


def _near_duplicates(items: Sequence[Candidate], groups: Groups, config: CleanParams) -> dict[str, str]:
    """Drop what looks like a picture that stays; all that look alike share a group, also through dropped ones."""
    hashes = np.array([int(item.phash, 16) for item in items], dtype=np.uint64)
    thumbnails = np.frombuffer(b"".join(item.thumbnail for item in items), dtype=np.uint8).reshape(
        len(items), THUMBNAIL_BYTES
    )
    found: dict[str, str] = {}
    pairs = near_pairs(hashes, thumbnails, bits=config.phash_distance, levels=config.colour_distance)
    for first, second in pairs:
        groups.join(items[first].sample_id, items[second].sample_id)
        if items[first].sample_id not in found:
            found[items[second].sample_id] = "near_duplicate"
    return found


def _join_equal_prompts(items: Iterable[Candidate], groups: Groups) -> None:
    first: dict[str, str] = {}
    for item in items:
        groups.join(first.setdefault(item.prompt_key, item.sample_id), item.sample_id)


def _outcome(item: Candidate, reason: str | None, groups: Groups, config: CleanParams) -> Outcome:
    group = groups.of(item.sample_id)
    shares = {"val_share": config.val_share, "test_share": config.test_share}
    return Outcome(reason, group, split_of(group, seed=config.seed, **shares))
