"""A preference study as pages for people without a server: one HTML file with everything in it, several if it is large.

A page asks nothing of any server: its policy forbids it. It keeps the answers in the browser's local storage while a
person answers, and gives them back as a file. Arm and side are not in it: items have names that tell nothing, the key
stays here, and all pictures are encoded anew in one way.
"""

import base64
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.answers import QUESTIONS
from pipeline.files import write_text
from pipeline.images import decode
from pipeline.review.foreign import PAGE_FORMAT
from pipeline.review.studies import Key, Shown

SOURCES = Path(__file__).parent / "study_page"
MEGABYTES = 20
"""Of a page, unless told otherwise: what a mail or a phone takes."""
LARGEST_PX = 768
LOSSLESS_PX = 256
"""Pictures up to this side stay as they are, pixel for pixel; larger ones become JPEG of quality 95."""
PAGE_BYTES = 60_000
"""More than page, style and script take without pictures."""


def data_uri(content: bytes) -> str:
    """A picture for within a page, at most 768 px a side and without what else its file may hold."""
    picture = decode(content)
    picture.thumbnail((LARGEST_PX, LARGEST_PX), Image.Resampling.LANCZOS)
    small = max(picture.size) <= LOSSLESS_PX
    stream = io.BytesIO()
    if small:
        picture.save(stream, "PNG", optimize=True)
    else:
        picture.save(stream, "JPEG", quality=95, subsampling=0)
    kind = "png" if small else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"


def write(
    key: Key, shown: Sequence[Shown], pictures: Mapping[str, str], target: Path, *, most_bytes: int, ties: bool
) -> list[tuple[Path, int]]:
    """Write the pages; gives each with its number of pairs.

    Args:
        key: of a preference study.
        shown: its items in their order.
        pictures: sample_id -> :func:`data_uri`.
        target: the folder.
        most_bytes: a page holds as many pairs as fit; a pair that does not fit alone has a page of its own.
        ties: whether one may say that neither is better.
    """
    pairs = [
        {"item": one.item, "text": one.text, "left": pictures[one.sample_ids[0]], "right": pictures[one.sample_ids[1]]}
        for one in shown
    ]
    parts = list(_divided(pairs, most_bytes - PAGE_BYTES))
    written = []
    for number, part in enumerate(parts, start=1):
        study = {
            "format": PAGE_FORMAT,
            "study": key.study,
            "part": number,
            "parts": len(parts),
            "ties": ties,
            "questions": {question: QUESTIONS[question] for question in key.questions},
            "pairs": part,
        }
        path = target / f"preference-{number}-of-{len(parts)}.html"
        write_text(path, page(study))
        written.append((path, len(part)))
    return written


def _divided(pairs: Sequence[Mapping[str, str]], most: int) -> Iterator[list[Mapping[str, str]]]:
    part: list[Mapping[str, str]] = []
    size = 0
    for pair in pairs:
        taken = sum(len(value.encode()) for value in pair.values()) + 64
        if part and size + taken > most:
            yield part
            part, size = [], 0
        part.append(pair)
        size += taken
    yield part


def page(study: Mapping[str, Any]) -> str:
    """The page of a part of a study, whose policy allows its own style, its own script and pictures in itself alone."""
    style, script = ((SOURCES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    allowed = {"script-src": _hash(script), "style-src": _hash(style), "img-src": "data:"}
    denied = dict.fromkeys(("default-src", "base-uri", "form-action"), "'none'")
    policy = "; ".join(f"{name} {value}" for name, value in {**denied, **allowed}.items())
    found = (SOURCES / "page.html").read_text(encoding="utf-8")
    for name, text in {"policy": policy, "style": style, "script": script, "data": _json(study)}.items():
        found = found.replace(f"@{name}@", text, 1)
    return found


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _json(value: Any) -> str:
    """JSON that ends no script element, whatever the prompts say."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
