"""Lexica's second way: ``POST https://lexica.art/api/infinite-prompts``, which goes on by a cursor.

No documentation has it: the site's own pages use it, so robots.txt is obeyed and it may change at any time. An answer
holds prompts and pictures side by side, joined by ``promptid``, and a ``nextCursor`` as long as there is more.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from pipeline.params import Section
from pipeline.sources.prompt_syntax import both
from pipeline.sources.record import (
    INT64,
    UNRATED,
    Ask,
    Item,
    Record,
    Unusable,
    as_float,
    as_id,
    as_int,
    as_json,
    as_list,
    as_mapping,
    as_text,
    author_hash,
)
from pipeline.sources.walking import items, json_object

NAME = "lexica"
LICENCE = "CC-BY-NC-4.0"
LICENCE_URL = "https://lexica.art/terms"
URL = "https://lexica.art/api/infinite-prompts"
IMAGE_HOSTS = ("image.lexica.art", "lexica-serve-encoded-images2.sharif.workers.dev")
ACCESS_BASIS = "interface of the site's own pages, not documented; robots.txt obeyed"


class InfinitePrompts(Section):
    """Settings ``sources.lexica.infinite_prompts``."""

    model: str = Field(min_length=1)
    """Whose pictures are wanted, in the site's words: ``lexica-aperture-v2``, ``v3.5``."""

    image_base: str
    """What stands before a picture's id in its address: ``https://image.lexica.art/full_jpg`` or ``.../md2``."""

    @field_validator("image_base")
    @classmethod
    def _on_an_image_host(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" or parts.netloc not in IMAGE_HOSTS or value.endswith("/"):
            raise ValueError(f"must be an https address on {' or '.join(IMAGE_HOSTS)} that ends without a slash")
        return value


def pages(ask: Ask, query: str, config: InfinitePrompts, salt: str) -> Iterator[list[Item]]:
    """The pages of one query, until the cursor ends, comes again, or brings nothing that this query had not.

    Args:
        ask: sends a value and gives the answer as text.
        query: words to search for.
        config: settings.
        salt: key of the authors' hash.

    Raises:
        SourceError: an answer is not of the known form.
    """
    cursor: int | None = 0
    followed, seen = set[int](), set[str]()
    while cursor is not None and cursor not in followed:
        followed.add(cursor)
        page = json_object(ask.post(URL, _asked(query, cursor, config)), URL, "images")
        prompts = {_name(prompt): prompt for prompt in map(as_mapping, as_list(page.get("prompts")))}
        make = partial(_record, prompts=prompts, base=config.image_base, salt=salt)
        found = items(page["images"], f"{URL}?{query}&{cursor}", make)
        ids = {item.source_id for item in found}
        if ids <= seen:
            return
        seen |= ids
        yield found
        cursor = as_int(page.get("nextCursor"))


def _asked(query: str, cursor: int, config: InfinitePrompts) -> dict[str, Any]:
    return {"text": query, "searchMode": "images", "source": "search", "cursor": cursor, "model": config.model}


def _name(prompt: Mapping[str, Any]) -> str:
    return str(prompt.get("id"))


def _record(
    image: Mapping[str, Any],
    *,
    prompts: Mapping[str, Mapping[str, Any]],
    base: str,
    salt: str,
) -> Record:
    source_id, told = as_id(image.get("id")), prompts.get(str(image.get("promptid")), {})
    if told.get("grid"):
        raise Unusable("grid")
    if told.get("is_private"):
        raise Unusable("private")
    prompt, words = both(told.get("prompt"))
    whole = {"image": image, "prompt": {key: value for key, value in told.items() if key != "images"}}
    return Record(
        source=NAME,
        source_id=source_id,
        page_url=f"https://lexica.art/prompt/{as_id(told.get('id'))}",
        image_url=f"{base}/{source_id}",
        access_basis=ACCESS_BASIS,
        licence=LICENCE,
        licence_url=LICENCE_URL,
        nsfw_level=UNRATED,
        prompt=prompt,
        negative_prompt=as_text(told.get("negativePrompt")),
        complex_prompt=words,
        model=as_text(told.get("model")),
        cfg=as_float(told.get("c")),
        seed=as_int(told.get("seed"), INT64),
        width=as_int(image.get("width")),
        height=as_int(image.get("height")),
        author_hash=author_hash(image.get("userid"), salt),
        created_at=as_text(told.get("timestamp")),
        meta_json=as_json(whole, without=("userid",)),
    )
