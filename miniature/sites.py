"""The miniature's three web sites on loopback, in the real formats of Lexica, Civitai and Stable Diffusion Online.

``serve()`` is what ``sources.<name>.serve: miniature.sites`` in params.yaml means.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from miniature import site_answers, site_pictures
from miniature.site_posts import Post, posts, posts_of

HOSTS = (
    "lexica.art",
    "image.lexica.art",
    "civitai.com",
    "image.civitai.com",
    "stablediffusionweb.com",
    "imgcdn.stablediffusionweb.com",
)
Answer = tuple[bytes, str]
JSON, HTML, TEXT = "application/json", "text/html; charset=utf-8", "text/plain; charset=utf-8"


def truth() -> list[dict[str, Any]]:
    """For every record what its picture shows and what is wrong with it.

    Returns:
        Rows with ``sample_id``, ``scene`` (the Scene in the picture), ``fault`` (None, or one of exact_duplicate,
        near_duplicate, truncated, html_page, missing, tiny, no_prompt, unsafe, wrong_prompt, grid, video) and ``of``
        (for duplicates the sample_id of the original, else None).
    """
    return [
        {
            "sample_id": post.sample_id,
            "scene": post.scene,
            "fault": post.fault,
            "of": post.of.sample_id if post.of else None,
        }
        for post in posts()
    ]


@contextmanager
def serve() -> Iterator[dict[str, str]]:
    """Run the sites on a free port of 127.0.0.1 and give the map from each public host to it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield dict.fromkeys(HOSTS, f"127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


def answer(host: str, target: str) -> Answer | None:
    """Content and content type of an address; None is a 404.

    Args:
        host: a public host name.
        target: path and query.
    """
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    match host, parts.path.strip("/").split("/"):
        case "lexica.art", ["api", "v1", "search"]:
            return site_answers.lexica_search(query).encode(), JSON
        case "civitai.com", ["api", "v1", "images"]:
            return site_answers.civitai_images(query).encode(), JSON
        case "stablediffusionweb.com", ["robots.txt"]:
            return site_answers.ROBOTS.encode(), TEXT
        case "stablediffusionweb.com", ["prompts", slug]:
            return _page(site_answers.listing(slug, query))
        case "stablediffusionweb.com", ["image", _]:
            post = _details().get(parts.path)
            return _page(site_answers.detail(post)) if post else None
    post = _pictures().get(f"https://{host}{parts.path}")
    return site_pictures.file_of(post) if post else None


def posted(host: str, target: str, content: bytes) -> Answer | None:
    """As :func:`answer`, to JSON that is sent to an address."""
    if (host, target) != ("lexica.art", "/api/infinite-prompts"):
        return None
    return site_answers.lexica_infinite(json.loads(content)).encode(), JSON


def _page(text: str | None) -> Answer | None:
    return (text.encode(), HTML) if text is not None else None


@cache
def _details() -> dict[str, Post]:
    return {site_answers.detail_path(post): post for post in posts_of("stable_diffusion_online")}


@cache
def _pictures() -> dict[str, Post]:
    return {site_answers.image_url(post): post for post in posts()}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise each answer on a kept connection waits 40 ms
    wbufsize = 65536

    def do_GET(self) -> None:
        self._give(answer(self.headers.get("Host", ""), self.path))

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._give(posted(self.headers.get("Host", ""), self.path, content))

    def _give(self, found: Answer | None) -> None:
        content, kind = found or (b"not found", TEXT)
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the stages tell what they fetch."""
