"""What identifies a sample and what was made from it, and how that looks inside files."""

import functools
import html
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Self
from urllib.parse import quote

# Signs that may go on an id or an address: lexica:12 is not lexica:1.
BEFORE = r"(?:^|[^A-Za-z0-9_.-])"
AFTER = r"(?:$|[^A-Za-z0-9_./?=&%#-])"
AFTER_QUOTED = r"(?:$|[^A-Za-z0-9_.%-])"  # as the value of another address's query it ends at an ampersand


@dataclass
class Traces:
    """Everything by which files mean the samples that go."""

    ids: set[str] = field(default_factory=set)
    """Sample ids, near copies' among them."""
    copies: set[str] = field(default_factory=set)
    """Those ids whose pictures are near copies of what was asked for."""
    addresses: set[str] = field(default_factory=set)
    """Of pictures, in every rendition, and of pages that show nothing else."""
    pages: set[str] = field(default_factory=set)
    """Those of the addresses that are pages': another picture may come to stand there."""
    pictures: set[str] = field(default_factory=set)
    """SHA-256 of pictures as they were downloaded."""
    made: set[str] = field(default_factory=set)
    """SHA-256 of pictures made from them: the data set's squares."""
    captions: set[str] = field(default_factory=set)
    """Simple prompts that only these samples have; the work store of ``embed`` is keyed by them."""
    looks: set[str] = field(default_factory=set)
    """Entries of the takedown list by which copies are known later."""
    adapters: set[str] = field(default_factory=set)
    """Trained adapters that learned from one of the samples, in words."""
    checkpoints: set[str] = field(default_factory=set)
    """Folders with states of unfinished and finished trainings that may have learned from one of the samples."""

    def __ior__(self, other: Self) -> Self:
        """Add another's."""
        for each in fields(self):
            getattr(self, each.name).update(getattr(other, each.name))
        return self

    def as_json(self) -> dict[str, list[str]]:
        """For the journal."""
        return {name: sorted(values) for name, values in asdict(self).items()}

    @classmethod
    def from_json(cls, value: dict[str, list[str]]) -> Self:
        """From the journal."""
        return cls(**{name: set(values) for name, values in value.items()})

    @property
    def digests(self) -> set[str]:
        """Of all pictures, downloaded or made."""
        return self.pictures | self.made

    def text_pattern(self) -> str:
        """A regular expression that finds an id, an address or a digest, also as HTML, JSON and URLs write it.

        It has no look-around, so that Arrow's RE2 takes it too; without anything to find it matches nothing.
        """
        texts = sorted(self.ids | self.addresses | self.digests)
        if not texts:
            return r"[^\s\S]"
        plain = _any_of(form for text in texts for form in (text, html.escape(text), text.replace("/", "\\/")))
        quoted = _any_of(quote(text, safe="") for text in texts)
        return f"{BEFORE}(?:{plain}{AFTER}|{quoted}{AFTER_QUOTED})"

    def bytes_pattern(self) -> re.Pattern[bytes]:
        """The same for bytes."""
        return _compiled(self.text_pattern())

    def means_name(self, path: Path) -> bool:
        """Whether a file is named by one of the pictures or ids, as ``sur show`` and the review pictures are."""
        return path.stem in self.digests or path.stem in file_stems(self.ids)


def file_stems(ids: Iterable[str]) -> set[str]:
    """How ids become file names."""
    return {sample_id.replace("/", "_").replace(":", sign) for sample_id in ids for sign in "_-"}


def _any_of(forms: Iterable[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, sorted(set(forms))))})"


@functools.lru_cache(maxsize=4)
def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode())
