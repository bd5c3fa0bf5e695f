import io
import json
from collections import Counter
from hashlib import sha256
from urllib.parse import parse_qs, quote_plus, urlsplit

import pytest
import requests
from PIL import Image, UnidentifiedImageError

from miniature import language, site_answers, site_pictures, site_posts, sites
from miniature.site_posts import FAULT_SHARES, SIZES, posts, posts_of
from miniature.world import Scene, is_held_out
from pipeline import params
from pipeline.sources import civitai, lexica, stable_diffusion_online
from pipeline.sources.prompt_syntax import plain
from pipeline.sources.record import Record, Rejected
from pipeline.sources.settings import SourcesParams
from tests.pipeline.sources.test_settings import PARAMS


@pytest.fixture(scope="module")
def config():
    return params.load(SourcesParams, "sources", PARAMS)


def _ask(url):
    parts = urlsplit(url)
    found = sites.answer(parts.netloc, f"{parts.path}?{parts.query}" if parts.query else parts.path)
    assert found is not None, url
    return found[0].decode()


_ask.page = _ask  # no page of the miniature's sites keeps its words from training


def _walked(walk):
    return {item.source_id: item for item in walk}


def _of(site, fault):
    return [post for post in posts_of(site) if post.fault == fault]


def test_posts_are_the_same_every_time():
    first = [repr(post) for post in posts()]
    posts.cache_clear()
    posts_of.cache_clear()
    assert [repr(post) for post in posts()] == first


def test_every_site_has_its_posts_and_every_id_comes_once():
    assert Counter(post.site for post in posts() if post.fault != "video") == SIZES
    assert len({post.sample_id for post in posts()}) == len(posts())
    assert len({site_answers.image_url(post) for post in posts()}) == len(posts())


def test_faults_come_in_their_shares():
    found = Counter(post.fault for post in posts_of("civitai"))
    expected = {fault: round(share * SIZES["civitai"]) for fault, share in FAULT_SHARES.items() if fault != "grid"}
    assert {fault: found[fault] for fault in expected} == expected
    assert (found["video"], found["grid"]) == (1, 0)
    assert not _of("stable_diffusion_online", "unsafe")


def test_no_scene_is_held_out_for_evaluation():
    assert not any(is_held_out(post.scene) for post in posts())


def test_the_truth_names_every_record_its_scene_and_its_fault():
    truth = {row["sample_id"]: row for row in sites.truth()}
    assert len(truth) == len(posts())
    assert all(isinstance(row["scene"], Scene) for row in truth.values())
    copies = [row for row in truth.values() if row["fault"] == "exact_duplicate"]
    assert copies
    assert all(truth[row["of"]]["scene"] == row["scene"] and truth[row["of"]]["fault"] is None for row in copies)


def _tells(post):
    """Whether the prompt names every group and the ground of the picture."""
    still = [language.plain_name(group).removesuffix(group.action or "") for group in post.scene.groups]
    return all(name.strip() in plain(post.prompt) for name in [*still, f"{post.scene.ground} background"])


def test_a_good_prompt_tells_its_picture_and_a_wrong_one_does_not():
    assert all(_tells(post) for post in posts_of("lexica") if post.fault is None)
    assert not any(_tells(post) for post in posts() if post.fault == "wrong_prompt")


def test_pictures_have_the_stated_sizes_and_decode():
    shapes = set()
    for post in posts()[:120]:
        if post.fault in (None, "unsafe", "tiny", "exact_duplicate"):
            content, kind = site_pictures.file_of(post)
            with Image.open(io.BytesIO(content)) as picture:
                assert picture.size == site_pictures.width_and_height(post)
                assert Image.MIME[picture.format] == kind
                shapes.add(post.shape)
    assert shapes == {"square", "large", "wide", "tall", "tiny"}


def test_an_exact_duplicate_has_the_bytes_of_its_original():
    for post in _of("civitai", "exact_duplicate"):
        assert site_pictures.file_of(post) == site_pictures.file_of(post.of)


def test_a_near_duplicate_has_other_bytes():
    for post in _of("lexica", "near_duplicate")[:4]:
        assert site_pictures.file_of(post)[0] != site_pictures.file_of(post.of)[0]


def test_broken_files_are_broken():
    for post in _of("lexica", "truncated"):
        with pytest.raises((OSError, SyntaxError)), Image.open(io.BytesIO(site_pictures.file_of(post)[0])) as picture:
            picture.load()
    for post in _of("lexica", "html_page"):
        with pytest.raises(UnidentifiedImageError):
            Image.open(io.BytesIO(site_pictures.file_of(post)[0]))
    assert all(site_pictures.file_of(post) is None for post in _of("lexica", "missing"))


def test_the_same_post_is_the_same_file():
    post = posts_of("civitai")[0]
    first = sha256(site_pictures.file_of(post)[0]).hexdigest()
    site_pictures.file_of.cache_clear()
    assert sha256(site_pictures.file_of(post)[0]).hexdigest() == first


def test_lexica_gives_fifty_results_and_the_settings_ask_enough(config):
    answer = json.loads(_ask(f"https://lexica.art/api/v1/search?q={quote_plus('red star')}"))
    assert len(answer["images"]) == 50
    first = posts_by_id("lexica")[answer["images"][0]["id"]]
    assert {"red", "star"} <= {name for group in first.scene.groups for name in (group.colour, group.kind)}
    found = _walked(lexica.walk(_ask, config.lexica, config.author_salt))
    assert len(found) > 0.9 * SIZES["lexica"]
    reasons = Counter(item.reason for item in found.values() if isinstance(item, Rejected))
    assert set(reasons) == {"grid", "no_prompt"}


def posts_by_id(site):
    return {post.source_id: post for post in posts_of(site)}


def test_civitai_gives_every_post_by_cursor(config):
    found = _walked(civitai.walk(_ask, config.civitai, "salt"))
    truth = posts_by_id("civitai")
    assert set(found) == set(truth)
    records = {name: item for name, item in found.items() if isinstance(item, Record)}
    assert all(record.seed == truth[name].seed for name, record in records.items())
    assert max(record.seed for record in records.values()) > 2**32
    assert all(record.nsfw_level == truth[name].level for name, record in records.items())
    assert Counter(item.reason for item in found.values() if isinstance(item, Rejected)) == {
        "no_prompt": round(FAULT_SHARES["no_prompt"] * SIZES["civitai"]),
        "video": 1,
    }


def test_civitai_hides_prompts_and_ratings_that_are_not_asked_for():
    answer = json.loads(_ask("https://civitai.com/api/v1/images?limit=200"))
    assert all(item["meta"] is None and item["browsingLevel"] == 1 for item in answer["items"])
    assert "withMeta" not in parse_qs(urlsplit(answer["metadata"]["nextPage"]).query)


def test_civitai_sorts_as_asked():
    newest, oldest = (
        [item["createdAt"] for item in json.loads(_ask(f"https://civitai.com/api/v1/images?sort={sort}"))["items"]]
        for sort in ("Newest", "Oldest")
    )
    assert newest == sorted(newest, reverse=True)
    assert oldest == sorted(oldest)


def test_stable_diffusion_online_gives_every_post_by_its_pages(config):
    found = _walked(stable_diffusion_online.walk(_ask, config.stable_diffusion_online))
    truth = posts_by_id("stable_diffusion_online")
    assert set(found) == set(truth)
    records = {name: item for name, item in found.items() if isinstance(item, Record)}
    without_prompt = round(FAULT_SHARES["no_prompt"] * SIZES["stable_diffusion_online"])
    assert len(records) == SIZES["stable_diffusion_online"] - without_prompt
    assert all(record.complex_prompt == plain(truth[name].prompt) for name, record in records.items())
    assert all(record.image_url == site_answers.image_url(truth[name]) for name, record in records.items())


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("elsewhere.example", "/"),
        ("lexica.art", "/api/v2"),
        ("stablediffusionweb.com", "/prompts/cats"),
        ("stablediffusionweb.com", "/image/1-none"),
        ("image.lexica.art", "/md2/none"),
        ("image.lexica.art", "/api/v1/search"),
    ],
)
def test_what_does_not_exist_is_no_answer(host, target):
    assert sites.answer(host, target) is None


def test_the_sites_answer_over_http_and_stop():
    post = next(post for post in posts_of("lexica") if post.fault is None)
    address = urlsplit(site_answers.image_url(post))
    with sites.serve() as host_map, requests.Session() as session:
        session.trust_env = False
        place = host_map[address.netloc]
        found = session.get(f"http://{place}{address.path}", headers={"Host": address.netloc})
        missing = session.get(f"http://{place}/nothing", headers={"Host": "lexica.art"})
    assert found.content == site_pictures.file_of(post)[0]
    assert missing.status_code == 404
    with pytest.raises(requests.ConnectionError), requests.Session() as session:
        session.trust_env = False
        session.get(f"http://{place}/")


def test_prompts_on_civitai_use_the_syntax_of_the_web_ui():
    raw = " ".join(post.prompt for post in posts_of("civitai"))
    assert all(mark in raw for mark in ("<lora:", "BREAK", "((", "[", "\n"))
    assert site_posts.EDITION


def test_lexicas_other_way_goes_through_all_pictures_by_cursor():
    cursor, ids = 0, []
    while cursor is not None:
        content = json.dumps({"text": "star", "cursor": cursor}).encode()
        text, kind = sites.posted("lexica.art", "/api/infinite-prompts", content)
        found = json.loads(text)
        assert kind == "application/json"
        assert {image["promptid"] for image in found["images"]} == {prompt["id"] for prompt in found["prompts"]}
        ids += [image["id"] for image in found["images"]]
        cursor = found.get("nextCursor")
    assert sorted(ids) == sorted(post.source_id for post in posts_of("lexica"))
    assert sites.posted("lexica.art", "/api/other", b"{}") is None
