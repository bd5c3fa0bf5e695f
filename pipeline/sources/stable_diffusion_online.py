"""Stable Diffusion Online (stablediffusionweb.com): no data API, so its pages are read, where robots.txt allows it.

A listing links to detail pages. A detail page's "Open in editor" link carries prompt and picture address in its query
string, independent of the layout; where it is missing, the prompt is read from the page's text.
"""

import json
from typing import Annotated, Any
from urllib.parse import parse_qs, urljoin, urlsplit

from protego import Protego
from pydantic import Field

from pipeline.http import FetchError
from pipeline.http_requests import PACKAGE
from pipeline.params import Names
from pipeline.robots import Rules, says_there_is_none
from pipeline.sources.pages import Page, read
from pipeline.sources.prompt_syntax import both
from pipeline.sources.record import (
    UNRATED,
    Ask,
    Fetch,
    Item,
    Record,
    Rejected,
    Unusable,
    Walk,
    as_address,
    as_id,
    as_int,
    as_text,
)
from pipeline.sources.walking import Guard, SiteParams

NAME = "stable_diffusion_online"
SITE = "https://stablediffusionweb.com"
SITE_HOSTS = ("stablediffusionweb.com",)
IMAGE_HOSTS = ("imgcdn.stablediffusionweb.com",)
ACCESS_BASIS = "public pages that robots.txt allows"
LICENCE = "not stated by the site"
LEFT_OUT = {"not_found": "page_not_found", "robots_disallowed": "robots_disallowed", "noai": "noai"}
"""Single pages without which the walk goes on, and their reasons."""


class StableDiffusionOnlineParams(SiteParams):
    """Settings ``sources.stable_diffusion_online``."""

    start_urls: Annotated[Names, Field(min_length=1)]
    """Listing pages to begin with; a listing's ``rel=next`` link is followed, unless it brought no new picture."""


def walk(fetch: Ask, config: StableDiffusionOnlineParams) -> Walk:
    """Read every listing and the detail pages that it links to.

    A listing that brings nothing new is the last of its chain: behind it a site may number pages without end.
    """
    guard, robots = Guard(config.max_records), _robots(fetch)
    waiting, read_urls = list(config.start_urls), set[str]()
    while waiting:
        url = waiting.pop(0)
        if url in read_urls or not robots.allows(url):
            continue
        read_urls.add(url)
        page, left = read(fetch(url)), guard.left
        for link in page.links("/image/"):
            detail = urljoin(url, link)
            if detail not in read_urls and robots.allows(detail):
                read_urls.add(detail)
                yield from guard.fresh([_detail(fetch, detail)])
            if guard.full:
                return "max_records"
        if guard.left < left:
            waiting += _following(page, url)
    return "all_pages_read"


def _following(page: Page, url: str) -> list[str]:
    """Where a listing goes on; a link that leaves the site would end the whole walk, so it is left out."""
    found = []
    for link in page.following:
        try:
            target = urljoin(url, link)
            parts = urlsplit(target)
        except ValueError:  # such as https://[
            continue
        if parts.scheme == "https" and parts.netloc in SITE_HOSTS:
            found.append(target)
    return found


def _robots(fetch: Fetch) -> Rules:
    """The site's robots.txt, by the rule of pipeline.robots: without one all is allowed, without an answer nothing."""
    try:
        return Rules(PACKAGE, Protego.parse(fetch(f"{SITE}/robots.txt")))
    except FetchError as error:
        if not says_there_is_none(error):
            raise
        return Rules(PACKAGE)


def _detail(fetch: Ask, url: str) -> Item:
    name = urlsplit(url).path.removeprefix("/image/").partition("-")[0]
    try:
        return parse(fetch.page(url), url)
    except FetchError as error:
        if error.reason not in LEFT_OUT:
            raise
        return Rejected(name, LEFT_OUT[error.reason])
    except Unusable as fault:
        return Rejected(name, fault.reason)


def parse(text: str, url: str) -> Record:
    """The record of one detail page.

    Raises:
        Unusable: it has no id, prompt or picture.
    """
    page = read(text)
    told = _editor_link(page)
    prompt, words = both(told.get("prompt") or page.labelled("Prompt:"))
    image_url = as_address(told.get("imageUrl") or next(iter(page.pictures), None))
    width, height = _size(page.labelled("Size:"))
    return Record(
        source=NAME,
        source_id=as_id(urlsplit(url).path.removeprefix("/image/").partition("-")[0]),
        page_url=url,
        image_url=image_url,
        access_basis=ACCESS_BASIS,
        licence=LICENCE,
        licence_url=SITE,
        nsfw_level=UNRATED,
        prompt=prompt,
        negative_prompt=as_text(page.labelled("Negative prompt:")),
        complex_prompt=words,
        width=width,
        height=height,
        created_at=_date(image_url),
        meta_json=json.dumps({**told, "title": page.title}, sort_keys=True, ensure_ascii=False),
    )


def _editor_link(page: Page) -> dict[str, Any]:
    for link in page.links("/image-generator?"):
        return {key: values[0] for key, values in parse_qs(urlsplit(link).query).items()}
    return {}


def _size(text: str) -> tuple[int | None, int | None]:
    width, _, height = text.upper().partition("X")
    return as_int(width.strip()), as_int(height.strip())


def _date(image_url: str) -> str | None:
    """The day in the picture's address, ``/2024/10/22/name.jpg``."""
    days = [part for part in urlsplit(image_url).path.split("/") if part.isdecimal()][:3]
    return f"{days[0]:0>4}-{days[1]:0>2}-{days[2]:0>2}" if len(days) == 3 else None
