from urllib.parse import urlencode

import pytest

from pipeline.http import FetchError, Response
from pipeline.sources import stable_diffusion_online as source
from pipeline.sources.archive import Archived, walking
from pipeline.sources.record import Record, Rejected, Unusable
from pipeline.sources.stable_diffusion_online import StableDiffusionOnlineParams

SITE = "https://stablediffusionweb.com"
PICTURE = "https://imgcdn.stablediffusionweb.com/2024/10/2/abc.jpg"
URL = f"{SITE}/image/207-two-stars"


def _detail(prompt="two (stars:1.2), night", editor=True):
    query = urlencode({"prompt": prompt, "ratio": "1:1", "style": "Futurism", "imageUrl": PICTURE})
    link = f'<a href="/image-generator?{query.replace("&", "&amp;")}">Open in editor</a>' if editor else ""
    return (
        f"<h1>Two stars</h1><img src='{PICTURE}'><div><span>Prompt:</span> <span><a href='/prompts/a'>two stars</a>, "
        f"</span><span>night</span></div><p>Negative prompt: blurry</p><p>Size: 1024 X 768</p>{link}"
    )


class Site:
    def __init__(self, pages):
        self.pages, self.asked = pages, []

    def __call__(self, url):
        self.asked.append(url.removeprefix(SITE))
        answer = self.pages.get(url.removeprefix(SITE), FetchError(url, "not_found", status=404))
        if isinstance(answer, FetchError):
            raise answer
        return answer

    def page(self, url):
        return self(url)


class EndlessSite(Site):
    """Every listing links to the same picture, by ever new words, and to a next one by a counter."""

    def __call__(self, url):
        number = int(url.partition("page=")[2] or 1)
        if number > 50:
            raise AssertionError("the walk has no end")
        again = f'<a href="/image/1-a{number}">a</a><a rel="next" href="?page={number + 1}">n</a>'
        self.pages[f"/prompts/stars?page={number}"] = self.pages["/prompts/stars"] = again
        self.pages[f"/image/1-a{number}"] = _detail()
        return super().__call__(url)


def _walk(site, **changes):
    values = {"serve": None, "start_urls": [f"{SITE}/prompts/stars"], "max_records": 10, "requests_per_s": 1.0}
    config = StableDiffusionOnlineParams.model_validate({**values, **changes})
    found, walk = [], source.walk(site, config)
    while True:
        try:
            found.append(next(walk))
        except StopIteration as end:
            return found, end.value


def test_the_editor_link_tells_prompt_and_picture():
    record = source.parse(_detail(), URL)
    assert (record.source_id, record.prompt, record.complex_prompt) == (
        "207",
        "two (stars:1.2), night",
        "two stars, night",
    )
    assert (record.image_url, record.created_at, record.nsfw_level) == (PICTURE, "2024-10-02", 0)
    assert (record.width, record.height, record.negative_prompt) == (1024, 768, "blurry")
    assert "Futurism" in record.meta_json


def test_without_the_link_the_whole_text_is_read():
    record = source.parse(_detail(editor=False), URL)
    assert (record.prompt, record.image_url) == ("two stars, night", PICTURE)


def test_a_page_without_prompt_or_picture_is_no_record():
    with pytest.raises(Unusable, match="no_prompt"):
        source.parse("<h1>Two stars</h1>", URL)
    with pytest.raises(Unusable, match="no_image_url"):
        source.parse("<p>Prompt: a star</p>", URL)


def test_a_picture_without_a_date_in_its_address_has_none():
    query = urlencode({"prompt": "a", "imageUrl": "https://imgcdn.stablediffusionweb.com/x/abc.jpg"})
    assert source.parse(f'<a href="/image-generator?{query}">e</a>', URL).created_at is None


def test_listings_are_followed_and_each_page_read_once():
    site = Site(
        {
            "/robots.txt": "User-agent: *\nAllow: /",
            "/prompts/stars": '<a href="/image/1-a">a</a><a href="/image/1-a">a</a><a rel="next" href="?page=2">n</a>',
            "/prompts/stars?page=2": '<a href="/image/2-b">b</a><a rel="next" href="?page=2">n</a>',
            "/image/1-a": _detail(),
            "/image/2-b": "<p>nothing",
        }
    )
    found, ended = _walk(site)
    assert site.asked == ["/robots.txt", "/prompts/stars", "/image/1-a", "/prompts/stars?page=2", "/image/2-b"]
    assert isinstance(found[0], Record)
    assert found[1:] == [Rejected("2", "no_prompt")]
    assert ended == "all_pages_read"


def test_listings_by_a_counter_that_bring_nothing_new_are_not_followed_for_ever():
    site = EndlessSite({})
    found, ended = _walk(site)
    assert ([item.source_id for item in found], ended) == (["1"], "all_pages_read")
    assert [path for path in site.asked if path.startswith("/prompts/")] == ["/prompts/stars", "/prompts/stars?page=2"]


@pytest.mark.parametrize("target", ["https://other.example/prompts", "http://stablediffusionweb.com/b", "https://["])
def test_a_listing_that_leads_elsewhere_is_not_followed_and_the_walk_goes_on(target):
    listing = f'<a href="/image/1-a">a</a><a rel="next" href="{target}">n</a><a rel="next" href="/prompts/moon">n</a>'
    moon = '<a href="/image/2-b">b</a>'
    site = Site({"/prompts/stars": listing, "/prompts/moon": moon, "/image/1-a": _detail(), "/image/2-b": _detail()})
    found, ended = _walk(site)
    assert ([item.source_id for item in found], ended) == (["1", "2"], "all_pages_read")
    assert site.asked == ["/robots.txt", "/prompts/stars", "/image/1-a", "/prompts/moon", "/image/2-b"]


def test_robots_txt_is_obeyed():
    rules = "User-agent: *\nDisallow: /image/"
    site = Site({"/robots.txt": rules, "/prompts/stars": '<a href="/image/1-a">a</a>', "/image/1-a": _detail()})
    assert _walk(site) == ([], "all_pages_read")
    assert "/image/1-a" not in site.asked


def test_rules_with_wildcards_are_understood():
    links = '<a href="/image/1-a">a</a><a href="/image/2-secret">b</a>'
    rules = "User-agent: *\nDisallow: /*secret$"
    site = Site({"/robots.txt": rules, "/prompts/stars": links, "/image/1-a": _detail(), "/image/2-secret": _detail()})
    assert [item.source_id for item in _walk(site)[0]] == ["1"]
    assert "/image/2-secret" not in site.asked


def test_a_page_that_the_client_may_not_ask_is_rejected_and_the_walk_goes_on():
    links = '<a href="/image/1-a">a</a><a href="/image/2-b">b</a>'
    forbidden = FetchError(f"{SITE}/image/1-a", "robots_disallowed")
    found, _ = _walk(Site({"/prompts/stars": links, "/image/1-a": forbidden, "/image/2-b": _detail()}))
    assert found[0] == Rejected("1", "robots_disallowed")
    assert isinstance(found[1], Record)


@pytest.mark.parametrize(("reason", "status"), [("not_found", 404), ("refused", 403), ("http_400", 400)])
def test_a_site_without_robots_txt_allows_everything(reason, status):
    rules = FetchError(f"{SITE}/robots.txt", reason, status=status)
    site = Site({"/robots.txt": rules, "/prompts/stars": '<a href="/image/1-a">a</a>', "/image/1-a": _detail()})
    assert len(_walk(site)[0]) == 1


def test_a_site_that_cannot_tell_its_rules_is_not_read():
    site = Site({"/robots.txt": FetchError(f"{SITE}/robots.txt", "http_503", status=503, attempts=5)})
    with pytest.raises(FetchError, match="503"):
        _walk(site)


def test_a_page_that_is_gone_is_rejected_and_the_walk_goes_on():
    site = Site({"/prompts/stars": '<a href="/image/1-a">a</a><a href="/image/2-b">b</a>', "/image/2-b": _detail()})
    found, _ = _walk(site)
    assert found[0] == Rejected("1", "page_not_found")
    assert isinstance(found[1], Record)


def test_a_page_that_must_not_be_trained_on_is_no_record_online_and_offline():
    pages = {"/prompts/stars": '<a href="/image/1-a">a</a><a href="/image/2-b">b</a>'}
    pages |= {f"/image/{name}": _detail() for name in ("1-a", "2-b")}

    def get(url):
        path = url.removeprefix(SITE)
        if path == "/robots.txt":
            raise FetchError(url, "refused", status=403, attempts=1)
        tag = {"x-robots-tag": "noai"} if path in ("/prompts/stars", "/image/1-a") else {}
        return Response(url, 200, tag, pages[path].encode(), 1)

    with walking("stable_diffusion_online", {}, get) as fetch:
        online = _walk(fetch)
    assert online[0][0] == Rejected("1", "noai")
    assert isinstance(online[0][1], Record)
    assert _walk(Archived("stable_diffusion_online")) == online


def test_a_refusal_ends_the_walk():
    site = Site({"/prompts/stars": '<a href="/image/1-a">a</a>', "/image/1-a": FetchError(SITE, "refused", status=403)})
    with pytest.raises(FetchError, match="not bypassed"):
        _walk(site)


def test_the_walk_ends_at_the_wanted_number():
    links = "".join(f'<a href="/image/{number}-a">a</a>' for number in range(5))
    site = Site({"/prompts/stars": links, **{f"/image/{number}-a": _detail() for number in range(5)}})
    found, ended = _walk(site, max_records=2)
    assert (len(found), ended, len(site.asked)) == (2, "max_records", 4)
