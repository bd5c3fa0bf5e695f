"""The text that the A1111 web UI writes into its pictures ("infotext")::

    prompt, over any number of lines
    Negative prompt: what is not wanted, over any number of lines
    Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Model: dreamy, Lora hashes: "a: 1, b: 2"

Both later parts may be missing. A last line with fewer than three settings belongs to the prompt, as in the web UI.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NEGATIVE = "Negative prompt:"
FEWEST_SETTINGS = 3
MOST_KEY = 60
KEY_SIGNS = " _-/."


@dataclass(frozen=True)
class Parameters:
    """What the text says."""

    prompt: str
    negative_prompt: str
    settings: Mapping[str, str]
    """The last line: ``{"Steps": "20", ...}``."""

    def fields(self) -> dict[str, Any]:
        """By the fields of an import's row."""
        kind = self.settings.get("Schedule type")  # newer versions split "DPM++ 2M Karras" in two
        sampler = self.settings.get("Sampler")
        return {
            "prompt": self.prompt,
            "negative_prompt": self.negative_prompt,
            "model": self.settings.get("Model"),
            "sampler": f"{sampler} {kind}" if sampler and kind and kind != "Automatic" else sampler,
            "steps": self.settings.get("Steps"),
            "cfg": self.settings.get("CFG scale"),
            "seed": self.settings.get("Seed"),
        }


def parse(text: str) -> Parameters:
    """Take the text apart."""
    lines = text.strip().split("\n")
    settings = dict(_settings(lines[-1]))
    if len(settings) >= FEWEST_SETTINGS:
        lines.pop()
    else:
        settings = {}
    start = next((number for number, line in enumerate(lines) if line.strip().startswith(NEGATIVE)), len(lines))
    negative = "\n".join(lines[start:]).strip().removeprefix(NEGATIVE)
    return Parameters("\n".join(lines[:start]).strip(), negative.strip(), settings)


def _settings(line: str) -> Iterator[tuple[str, str]]:
    """``key: value`` pairs; a value with commas stands in quotes, as JSON. What is no pair is passed over."""
    place = 0
    while place < len(line):
        colon = line.find(":", place, place + MOST_KEY)
        key = line[place : max(colon, place)].strip()
        if key and all(sign.isalnum() or sign in KEY_SIGNS for sign in key):
            value, place = _value(line, colon + 1)
            yield key, value
        else:
            comma = line.find(",", place)
            place = comma + 1 if comma >= 0 else len(line)


def _value(line: str, place: int) -> tuple[str, int]:
    """The value that begins here, and where the next key begins."""
    while line[place : place + 1] == " ":
        place += 1
    if line[place : place + 1] == '"':
        try:
            value, end = json.JSONDecoder().raw_decode(line, place)
        except ValueError:
            pass  # a quote that nothing closes is text
        else:
            return str(value), max(line.find(",", end), end) + 1
    end = line.find(",", place)
    end = end if end >= 0 else len(line)
    return line[place:end].strip(), end + 1
