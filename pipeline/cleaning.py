"""What makes a downloaded picture with its prompt a sample, and what drops it."""

import re
from collections.abc import Iterable
from typing import Self

import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from pipeline import samples, tables
from pipeline.params import Names, Section, Share
from pipeline.picture_facts import FAULTS
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
    "takedown_copy": "takedown.txt",
    "other_language": "clean.min_ascii_share",
    "refused_word": "clean.refused_words",
    "evaluation_prompt": "sample.prompts",
    "near_duplicate": "clean.phash_distance",
}
"""The setting behind a reason to drop, named when nothing is left."""
WORDING = ("other_language", "refused_word")
"""What a prompt's words are dropped for."""
REASONS = (
    "takedown",
    "takedown_copy",
    *FAULTS,
    "too_small",
    "too_long",
    "unsafe",
    "no_prompt",
    *WORDING,
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

    min_ascii_share: Share
    """Least share of ASCII among a prompt's letters: BLIP, CLIP and the LLM read English. Of a sample of real prompts
    0.1 % are in other scripts."""

    refused_words: Names
    """Prompts with one of these words are dropped, whatever their case: for sources that rate no picture."""

    phash_distance: int = Field(ge=0, le=32)
    """Near duplicates: largest Hamming distance of two 64-bit perceptual hashes; 4 to 8 is usual. Above 12
    the search for them takes long on large sets (100,000 pictures: 0.9 s at 8, 9 s at 12)."""

    colour_distance: float = Field(ge=0.0, le=255.0)
    """Near duplicates: largest mean difference of two 8 x 8 RGB thumbnails, of 255 levels. JPEG at quality 60 and
    resizing stay below 4."""

    val_share: Share
    """Expected share of prompt groups in ``val``."""

    test_share: Share
    """Expected share of prompt groups in ``test``."""

    seed: int = Field(ge=0)
    """Another seed is another split."""

    @field_validator("refused_words")
    @classmethod
    def _words_to_find(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if empty := [word for word in words if not _words(word)]:
            raise ValueError(f"{empty[0]!r} holds no letter or digit")
        return words

    @model_validator(mode="after")
    def _something_to_train_on(self) -> Self:
        if self.val_share + self.test_share >= 1.0:
            raise ValueError("val_share and test_share leave nothing for train: their sum must be below 1")
        return self


class Wording:
    """What the words of a prompt are dropped for, see :class:`CleanParams`.

    Args:
        min_ascii_share: least share of ASCII among the letters; a prompt without letters has all of it.
        refused: whole words, or several in a row, that no prompt may hold.
    """

    def __init__(self, min_ascii_share: float, refused: Iterable[str]) -> None:
        self._least = min_ascii_share
        self._refused = [f" {' '.join(words)} " for words in map(_words, refused) if words]

    def fault(self, prompt: str) -> str | None:
        """The first of ``WORDING`` that holds, or None."""
        letters = [letter for letter in prompt if letter.isalpha()]
        if letters and sum(map(str.isascii, letters)) < self._least * len(letters):
            return "other_language"
        text = f" {' '.join(_words(prompt))} " if self._refused else ""
        return "refused_word" if any(word in text for word in self._refused) else None


class HeldOut:
    """The evaluation's prompts, which must not be learned: not as they are and not inside a longer prompt.

    "seven vintage glass bottles, 8k, masterpiece" shows the scene of "Seven vintage glass bottles". Words count, case
    and signs do not. A prompt of fewer than three words is only refused as a whole: "a cat" is in too many others.

    Args:
        prompts: the evaluation's prompts, simple and complex ones.
    """

    INSIDE = 3

    def __init__(self, prompts: Iterable[str]) -> None:
        self._by_length: dict[int, set[tuple[str, ...]]] = {}
        for words in filter(None, map(_words, prompts)):
            self._by_length.setdefault(len(words), set()).add(words)

    def holds(self, prompt: str) -> bool:
        """Whether a prompt is, or has inside, one of the evaluation's."""
        words = _words(prompt)
        for length, held in self._by_length.items():
            places = range(len(words) - length + 1) if length >= self.INSIDE else range(len(words) == length)
            if any(words[place : place + length] in held for place in places):
                return True
        return False


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.lower()))


def prompt_key(prompt: str) -> str:
    """A prompt in lower case with single spaces: equal keys are the same prompt."""
    return " ".join(prompt.lower().split())
