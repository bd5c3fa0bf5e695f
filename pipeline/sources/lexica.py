"""Lexica: the documented search, ``GET https://lexica.art/api/v1/search?q=...`` (lexica.art/docs).

It always gives 50 pictures and no second page, so that only many queries cover more. Contact sheets (``grid``) are
no pictures. Seeds come as strings; guidance, promptid and nsfw are optional in newer answers.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import quote_plus

from pydantic import Field

from pipeline.params import Names
from pipeline.sources import lexica_infinite
from pipeline.sources.lexica_infinite import LICENCE, LICENCE_URL, NAME, InfinitePrompts
from pipeline.sources.prompt_syntax import both
from pipeline.sources.record import (
    INT64,
    PG,
    UNRATED,
    Ask,
    Item,
    R,
    Record,
    Unusable,
    Walk,
    as_address,
    as_float,
    as_id,
    as_int,
    as_json,
    as_text,
)
from pipeline.sources.walking import Guard, SiteParams, items, json_object

SEARCH = "https://lexica.art/api/v1/search?q={query}"
SITE_HOSTS = ("lexica.art",)
IMAGE_HOSTS = lexica_infinite.IMAGE_HOSTS
ACCESS_BASIS = "documented public API (lexica.art/docs)"


class LexicaParams(SiteParams):
    """Settings ``sources.lexica``."""

    queries: Annotated[Names, Field(min_length=1)]
    """Words to search for; the documented search gives at most 50 pictures each, in one request."""

    infinite_prompts: InfinitePrompts | None
    """Null is the documented search; a section goes the site's other way, page by page for each query."""


def walk(fetch: Ask, config: LexicaParams, salt: str) -> Walk:
    """Ask every query, once or page by page, and give each picture the first time it comes."""
    guard = Guard(config.max_records)
    for query in config.queries:
        for page in _pages(fetch, query, config, salt):
            yield from guard.fresh(page)
            if guard.full:
                return "max_records"
    return "all_queries_asked"


def _pages(fetch: Ask, query: str, config: LexicaParams, salt: str) -> Iterator[list[Item]]:
    """The one page of the documented search, or the pages of the other way."""
    if config.infinite_prompts is None:
        url = SEARCH.format(query=quote_plus(query))
        yield parse(fetch(url), url)
    else:
        yield from lexica_infinite.pages(fetch, query, config.infinite_prompts, salt)


def parse(text: str, url: str) -> list[Item]:
    """The items of one answer.

    Raises:
        SourceError: the answer is not of the documented form.
    """
    return items(json_object(text, url, "images")["images"], url, _record)


def _record(image: Mapping[str, Any]) -> Record:
    source_id = as_id(image.get("id"))
    if image.get("grid"):
        raise Unusable("grid")
    prompt, words = both(image.get("prompt"))
    return Record(
        source=NAME,
        source_id=source_id,
        page_url=f"https://lexica.art/prompt/{as_text(image.get('promptid')) or source_id}",
        image_url=as_address(image.get("src")),
        access_basis=ACCESS_BASIS,
        licence=LICENCE,
        licence_url=LICENCE_URL,
        nsfw_level=_nsfw_level(image.get("nsfw")),
        prompt=prompt,
        complex_prompt=words,
        model=as_text(image.get("model")),
        cfg=as_float(image.get("guidance")),
        seed=as_int(image.get("seed"), INT64),
        width=as_int(image.get("width")),
        height=as_int(image.get("height")),
        meta_json=as_json(image),
    )


def _nsfw_level(flag: object) -> int:
    """Lexica says yes or no; yes is taken as R, the lowest level that is not for everybody."""
    if not isinstance(flag, bool):
        return UNRATED
    return R if flag else PG
