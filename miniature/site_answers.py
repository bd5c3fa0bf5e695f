"""The answers of the three sites in their real formats: Lexica's search, Civitai's images, the pages of the third."""

import datetime
import html
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from miniature import language
from miniature.site_pictures import width_and_height
from miniature.site_posts import Post, posts_of

LEXICA_RESULTS = 50
CIVITAI_LIMIT, CIVITAI_MOST = 50, 200
LISTING_ROWS = 40
FIRST_DAY = datetime.date(2024, 1, 1)
LEVEL_NAMES = {1: "None", 2: "Soft", 4: "Mature", 8: "X", 16: "X"}
ROBOTS = "User-agent: *\nDisallow: /api/\nAllow: /\n"
BUCKET = "xG1nkqKTMzGDvpLrqFT7WA"


def image_url(post: Post) -> str:
    """The public address of a post's picture."""
    match post.site:
        case "lexica":
            return f"https://image.lexica.art/md2/{post.source_id}"
        case "civitai":
            name = post.image_name
            return f"https://image.civitai.com/{BUCKET}/{name}/original=true/{name}.jpeg"
        case "stable_diffusion_online":
            day = date_of(post)
            path = f"{day.year}/{day.month}/{day.day}/{post.image_name}.jpg"
            return f"https://imgcdn.stablediffusionweb.com/{path}"


def date_of(post: Post) -> datetime.date:
    """When it was posted."""
    return FIRST_DAY + datetime.timedelta(days=post.day)


def lexica_search(query: Mapping[str, str]) -> str:
    """``/api/v1/search?q=``: always 50 results, the best matches first, no second page."""
    words = query.get("q", "").lower().split()
    ranked = sorted(posts_of("lexica"), key=lambda post: _rank(post, words))
    return json.dumps({"images": [_lexica_image(post) for post in ranked[:LEXICA_RESULTS]]})


def _rank(post: Post, words: list[str]) -> tuple[int, str]:
    shown = language.plain_sentence(post.scene)
    found = sum(word in shown for word in words)
    return -found, sha256(f"{words}:{post.digest}".encode()).hexdigest()


def _lexica_image(post: Post) -> dict[str, Any]:
    width, height = width_and_height(post)
    image = {
        "id": post.source_id,
        "gallery": f"https://lexica.art?q={post.source_id}",
        "src": image_url(post),
        "srcSmall": image_url(post).replace("/md2/", "/sm/"),
        "prompt": post.prompt,
        "width": width,
        "height": height,
        "seed": str(post.seed),
        "grid": post.fault == "grid",
        "model": "stable-diffusion",
        "guidance": 7,
        "promptid": post.image_name,
        "nsfw": post.fault == "unsafe",
    }
    optional = ("guidance", "promptid") if post.number % 10 == 0 else ()  # newer answers leave these out
    return {key: value for key, value in image.items() if key not in optional}


def lexica_infinite(asked: Mapping[str, Any]) -> str:
    """``POST /api/infinite-prompts``: pictures and prompts side by side, 50 at a time, with a cursor."""
    words, start = str(asked.get("text", "")).lower().split(), int(asked.get("cursor", 0))
    ranked = sorted(posts_of("lexica"), key=lambda post: _rank(post, words))
    found = ranked[start : start + LEXICA_RESULTS]
    answer = {"prompts": [_lexica_prompt(post) for post in found], "images": [_infinite_image(post) for post in found]}
    more = {"nextCursor": start + LEXICA_RESULTS} if start + LEXICA_RESULTS < len(ranked) else {}
    return json.dumps({**answer, **more})


def _infinite_image(post: Post) -> dict[str, Any]:
    width, height = width_and_height(post)
    return {"id": post.source_id, "promptid": post.image_name, "width": width, "height": height, "userid": post.author}


def _lexica_prompt(post: Post) -> dict[str, Any]:
    width, height = width_and_height(post)
    return {
        "id": post.image_name,
        "prompt": post.prompt,
        "negativePrompt": "blurry, noisy",
        "timestamp": f"{date_of(post).isoformat()}T12:00:00.000Z",
        "grid": post.fault == "grid",
        "seed": str(post.seed),
        "c": 7,
        "model": "lexica-aperture-v2",
        "width": width,
        "height": height,
        "is_private": False,
        "images": [{"id": post.source_id}],
    }


def civitai_images(query: Mapping[str, str]) -> str:
    """``/api/v1/images``: by cursor; prompts only with ``withMeta=true``; ratings by bit mask, PG if none is given.

    ``period`` is accepted and changes nothing: no post is younger than a year.
    """
    level = int(query.get("browsingLevel", "1"))
    found = [post for post in posts_of("civitai") if post.level & level]
    found.sort(key=lambda post: (post.day, post.number), reverse=query.get("sort") != "Oldest")
    limit = min(int(query.get("limit", CIVITAI_LIMIT)), CIVITAI_MOST)
    start = int(query.get("cursor", "0|").partition("|")[0])
    with_meta = query.get("withMeta") == "true"
    items = [_civitai_item(post, with_meta=with_meta) for post in found[start : start + limit]]
    metadata = {}
    if start + limit < len(found):
        cursor = f"{start + limit}|{found[start + limit].digest[:13]}"
        rest = {key: value for key, value in query.items() if key not in ("cursor", "withMeta")}
        next_page = "https://civitai.com/api/v1/images?" + urlencode({**rest, "cursor": cursor})
        metadata = {"nextCursor": cursor, "nextPage": next_page}
    return json.dumps({"items": items, "metadata": metadata})


def _civitai_item(post: Post, *, with_meta: bool) -> dict[str, Any]:
    width, height = width_and_height(post)
    return {
        "id": int(post.source_id),
        "url": image_url(post),
        "hash": "UA8N5",
        "width": width,
        "height": height,
        "type": "video" if post.fault == "video" else "image",
        "nsfw": post.level > 1,
        "nsfwLevel": LEVEL_NAMES[post.level],
        "browsingLevel": post.level,
        "createdAt": f"{date_of(post).isoformat()}T12:00:00.000Z",
        "postId": 1_000_000 + post.number,
        "username": post.author,
        "baseModel": "SD 1.5",
        "stats": {"likeCount": post.seed % 50, "heartCount": post.seed % 20},
        "meta": _civitai_meta(post) if with_meta else None,
    }


def _civitai_meta(post: Post) -> dict[str, Any] | None:
    """Flat mostly, nested for some, null for half of those without a prompt."""
    if not post.prompt and post.number % 2:
        return None
    width, height = width_and_height(post)
    meta: dict[str, Any] = {
        "Size": f"{width}x{height}",
        "seed": str(post.seed) if post.number % 20 == 0 else post.seed,
        "steps": 20 + post.number % 15,
        "sampler": "DPM++ 2M",
        "cfgScale": 7 if post.number % 4 else 6.5,
        "negativePrompt": "blurry, noisy",
        "prompt": post.prompt,
    }
    return {"id": int(post.source_id), "meta": meta} if post.number % 25 == 0 else meta


def listing(slug: str, query: Mapping[str, str]) -> str | None:
    """``/prompts/<slug>`` of Stable Diffusion Online: links to the pictures of one kind; None for an unknown kind."""
    found = [post for post in posts_of("stable_diffusion_online") if post.scene.groups[0].kind == slug]
    page = int(query.get("page", "1"))
    rows = found[(page - 1) * LISTING_ROWS : page * LISTING_ROWS]
    if not rows:
        return None
    links = "".join(
        f'<a class="card" href="{detail_path(post)}"><img alt="{html.escape(_title(post))}" width="64" height="64" '
        f'src="{image_url(post)}"><p>{html.escape(_title(post))}</p></a>'
        for post in rows
    )
    more = f'<a rel="next" href="/prompts/{slug}?page={page + 1}">Next</a>' if page * LISTING_ROWS < len(found) else ""
    return f"<!DOCTYPE html><html><body><h1>{slug} prompts</h1>{links}{more}</body></html>"


def detail_path(post: Post) -> str:
    """The path of a post's page."""
    return f"/image/{post.source_id}-{_title(post).lower().replace(' ', '-')}"


def _title(post: Post) -> str:
    return language.plain_name(post.scene.groups[0])


def detail(post: Post) -> str:
    """A post's page; every tenth has no editor link, so that the text must be read."""
    width, height = width_and_height(post)
    chunks = "".join(
        f'<span><a href="/prompts/{index}">{html.escape(chunk)}</a>, </span>'
        for index, chunk in enumerate(post.prompt.split(", "))
    )
    told = {"prompt": post.prompt, "ratio": "1:1", "style": "Flat", "imageUrl": image_url(post)}
    link = html.escape(f"/image-generator?{urlencode(told)}")
    editor = "" if post.number % 10 == 0 else f'<a href="{link}">Open in editor</a>'
    return (
        f"<!DOCTYPE html><html><body><h1>{html.escape(_title(post))}</h1><h2>AI Art Image Prompt</h2>"
        f'<img src="{image_url(post)}"><div><span>Prompt:</span> {chunks}</div>'
        f"<dl><dt>Style:</dt><dd>Flat</dd></dl><p>Size: {width} X {height}</p>{editor}"
        "<footer>About</footer></body></html>"
    )
