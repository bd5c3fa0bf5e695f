"""Civitai: the public REST API, ``GET https://civitai.com/api/v1/images``, by cursor.

``withMeta=true`` stands on every page, also where the site's own ``nextPage`` leaves it out; without it all prompts
are null (civitai issue 2421). ``meta`` comes flat, nested as ``{"id": ..., "meta": {...}}`` or null.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode

from pydantic import Field

from pipeline.sources.prompt_syntax import both
from pipeline.sources.record import (
    ALL_LEVELS,
    INT64,
    PG,
    UNRATED,
    Fetch,
    R,
    Record,
    Unusable,
    Walk,
    as_address,
    as_float,
    as_id,
    as_int,
    as_json,
    as_mapping,
    as_text,
    author_hash,
    capped,
)
from pipeline.sources.walking import Guard, SiteParams, items, json_object

NAME = "civitai"
IMAGES = "https://civitai.com/api/v1/images?"
SITE_HOSTS = ("civitai.com",)
IMAGE_HOSTS = ("image.civitai.com", "image-b2.civitai.com")
ACCESS_BASIS = "public API for automated access (civitai.com terms of service 11.4)"
LICENCE = "not stated by the uploader"
LICENCE_URL = "https://civitai.com/content/tos"
LEGACY_LEVELS = {"None": 1, "Soft": 2, "Mature": 4, "X": 8}
VIDEO_ENDINGS = (".mp4", ".webm", ".mov", ".gifv")
PERSONAL = ("username", "userId", "user")


class CivitaiParams(SiteParams):
    """Settings ``sources.civitai``."""

    sort: Literal["Most Reactions", "Most Comments", "Most Collected", "Newest", "Oldest"]
    """Order of the walk; ``Newest`` can be walked again later."""

    period: Literal["AllTime", "Year", "Month", "Week", "Day"]
    """How far back the walk looks."""

    browsing_level: int = Field(ge=1, le=ALL_LEVELS)
    """Which ratings are asked for, a bit mask: PG 1, PG13 2, R 4, X 8, XXX 16; 31 is all."""

    page_size: int = Field(ge=1, le=200)
    """Pictures a request; the API's limit is 200."""


def walk(fetch: Fetch, config: CivitaiParams, salt: str) -> Walk:
    """Follow the cursor until it ends, comes again, or brings nothing new."""
    guard, cursor, followed = Guard(config.max_records), "", set[str]()
    while cursor not in followed:
        followed.add(cursor)
        url = page_url(config, cursor)
        page = json_object(fetch(url), url, "items")
        fresh = list(guard.fresh(items(page["items"], url, partial(_record, salt=salt))))
        yield from fresh
        cursor = _next_cursor(as_mapping(page.get("metadata")))
        if guard.full:
            return "max_records"
        if not cursor:
            return "last_page"
        if not fresh:
            return "page_without_new_records"
    return "cursor_repeated"


def _next_cursor(metadata: Mapping[str, Any]) -> str:
    """Text today, a number in older answers, and where it is missing it stands in ``nextPage``; empty at the end."""
    cursor = metadata.get("nextCursor")
    if isinstance(cursor, int) and not isinstance(cursor, bool):
        return str(cursor)
    return as_text(cursor) or (parse_qs(_query(metadata.get("nextPage"))).get("cursor") or [""])[0]


def _query(address: object) -> str:
    return (as_text(address) or "").partition("?")[2]


def page_url(config: CivitaiParams, cursor: str) -> str:
    """The address of one page; ``cursor`` is empty for the first."""
    query = {
        "limit": config.page_size,
        "sort": config.sort,
        "period": config.period,
        "browsingLevel": config.browsing_level,
        "type": "image",
        "withMeta": "true",
    }
    return IMAGES + urlencode({**query, "cursor": cursor} if cursor else query)


def _record(image: Mapping[str, Any], *, salt: str) -> Record:
    source_id = as_id(image.get("id"))
    _require_picture(image)
    meta = flat_meta(image.get("meta"))
    prompt, words = both(meta.get("prompt"))
    return Record(
        source=NAME,
        source_id=source_id,
        page_url=f"https://civitai.com/images/{source_id}",
        image_url=as_address(image.get("url")),
        access_basis=ACCESS_BASIS,
        licence=LICENCE,
        licence_url=LICENCE_URL,
        nsfw_level=_nsfw_level(image),
        prompt=prompt,
        negative_prompt=as_text(meta.get("negativePrompt")),
        complex_prompt=words,
        model=_model(meta.get("Model"), image.get("baseModel")),
        sampler=as_text(meta.get("sampler")),
        steps=as_int(meta.get("steps")),
        cfg=as_float(meta.get("cfgScale")),
        seed=as_int(meta.get("seed"), INT64),
        width=as_int(image.get("width")),
        height=as_int(image.get("height")),
        author_hash=author_hash(image.get("username"), salt),
        created_at=as_text(image.get("createdAt")),
        meta_json=as_json(image, without=PERSONAL),
    )


def _require_picture(image: Mapping[str, Any]) -> None:
    """Refuse what is no picture, by its type, or by its address where an older answer has no type."""
    kind, url = image.get("type", "image"), as_text(image.get("url")) or ""
    if kind == "video" or url.lower().partition("?")[0].endswith(VIDEO_ENDINGS):
        raise Unusable("video")
    if kind != "image":
        raise Unusable("no_picture")


def flat_meta(meta: object) -> Mapping[str, Any]:
    """The generation settings, whichever of the three shapes they came in."""
    outer = as_mapping(meta)
    return as_mapping(outer["meta"]) if isinstance(outer.get("meta"), Mapping) else outer


def _model(named: object, base: object) -> str | None:
    """``Model`` is text, null or an object with a name (civitai issue 1178)."""
    return as_text(named) or as_text(as_mapping(named).get("name")) or as_text(base)


def _nsfw_level(image: Mapping[str, Any]) -> int:
    """``browsingLevel`` where it is given, else the older ``nsfwLevel``, else ``nsfw``; beyond the scale is the top."""
    level = as_int(image.get("browsingLevel")) or as_int(image.get("nsfwLevel"))
    if level is not None and level > 0:
        return capped(level)
    flag = image.get("nsfw")
    for named in (image.get("nsfwLevel"), flag):
        if isinstance(named, str) and named in LEGACY_LEVELS:
            return LEGACY_LEVELS[named]
    if not isinstance(flag, bool):
        return UNRATED
    return R if flag else PG
