import json
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.errors import SourceError
from pipeline.sources import civitai
from pipeline.sources.civitai import CivitaiParams
from pipeline.sources.record import Record, Rejected

META = {
    "seed": 1938345220,
    "steps": 45,
    "sampler": "DPM++ 2M",
    "cfgScale": 5,
    "prompt": "<lora:x:1>, (star:1.1)\nnight",
    "negativePrompt": "blurry",
    "Model": "dreamy",
}
IMAGE = {
    "id": 9173928,
    "url": "https://image.civitai.com/b/uuid/original=true/uuid.jpeg",
    "width": 832,
    "height": 1216,
    "type": "image",
    "nsfw": True,
    "nsfwLevel": "Soft",
    "browsingLevel": 2,
    "createdAt": "2025-04-17T21:28:57.225Z",
    "username": "Ajuro",
    "baseModel": "SDXL 1.0",
    "meta": META,
}


def _page(*images, cursor=None):
    metadata = {"nextCursor": cursor} if cursor else {}
    return json.dumps({"items": list(images), "metadata": metadata})


def _config(**changes):
    values = {
        "serve": None,
        "sort": "Newest",
        "period": "AllTime",
        "browsing_level": 31,
        "page_size": 100,
        "max_records": 100,
        "requests_per_s": 1.0,
    }
    return CivitaiParams.model_validate({**values, **changes})


def _walk(fetch, **changes):
    found, walk = [], civitai.walk(fetch, _config(**changes), "salt")
    while True:
        try:
            found.append(next(walk))
        except StopIteration as end:
            return found, end.value


def _only(**changes):
    return _walk(lambda url: _page({**IMAGE, **changes}))[0][0]


def test_a_picture_of_the_api_is_a_record():
    record = _only()
    assert isinstance(record, Record)
    assert (record.complex_prompt, record.negative_prompt) == ("star, night", "blurry")
    assert (record.seed, record.steps, record.cfg, record.sampler) == (1938345220, 45, 5.0, "DPM++ 2M")
    assert (record.model, record.nsfw_level, record.created_at) == ("dreamy", 2, IMAGE["createdAt"])


def test_the_author_is_hashed_and_nowhere_else():
    record = _only()
    assert isinstance(record, Record)
    assert record.author_hash
    assert "Ajuro" not in str(record.row())


def test_nested_metadata_gives_the_same_record():
    flat, nested = _only(), _only(meta={"id": 1, "meta": META})
    assert isinstance(flat, Record)
    assert isinstance(nested, Record)
    assert (flat.prompt, flat.seed) == (nested.prompt, nested.seed)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"meta": None}, "no_prompt"),
        ({"meta": {"prompt": ""}}, "no_prompt"),
        ({"meta": {"id": 1, "meta": None}}, "no_prompt"),
        ({"type": "video"}, "video"),
        ({"type": "audio"}, "no_picture"),
        ({"type": "image", "url": "https://image.civitai.com/b/u/original=true/u.mp4?x=1"}, "video"),
        ({"url": None}, "no_image_url"),
        ({"id": {}}, "malformed"),
    ],
)
def test_what_is_no_record_is_rejected_with_its_reason(changes, reason):
    rejected = _only(**changes)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == reason


@pytest.mark.parametrize(("named", "model"), [("a", "a"), (None, "SDXL 1.0"), ({"name": "b"}, "b"), (3, "SDXL 1.0")])
def test_the_model_comes_in_several_forms(named, model):
    record = _only(meta={**META, "Model": named})
    assert isinstance(record, Record)
    assert record.model == model


@pytest.mark.parametrize(
    ("rating", "level"),
    [
        ({"browsingLevel": 16}, 16),
        ({"browsingLevel": None, "nsfwLevel": 8}, 8),
        ({"browsingLevel": None, "nsfwLevel": "Mature"}, 4),
        ({"browsingLevel": None, "nsfwLevel": None, "nsfw": True}, 4),
        ({"browsingLevel": None, "nsfwLevel": None, "nsfw": False}, 1),
        ({"browsingLevel": None, "nsfwLevel": None, "nsfw": None}, 0),
        ({"browsingLevel": 512, "nsfwLevel": None, "nsfw": None}, 16),
        ({"browsingLevel": 32, "nsfwLevel": None, "nsfw": False}, 16),
        ({"browsingLevel": None, "nsfwLevel": None, "nsfw": "X"}, 8),
        ({"browsingLevel": None, "nsfwLevel": "Odd", "nsfw": "None"}, 1),
    ],
)
def test_ratings_of_all_ages_of_the_api_become_one_mask(rating, level):
    record = _only(**rating)
    assert isinstance(record, Record)
    assert record.nsfw_level == level


def test_metadata_is_asked_for_on_every_page():
    asked = []

    def fetch(url):
        asked.append({key: values[0] for key, values in parse_qs(urlsplit(url).query).items()})
        number = len(asked)
        return _page({**IMAGE, "id": number}, cursor=f"{number}|x" if number < 3 else None)

    found, ended = _walk(fetch)
    assert [query.get("cursor") for query in asked] == [None, "1|x", "2|x"]
    assert all(query["withMeta"] == "true" and query["type"] == "image" for query in asked)
    assert ([item.source_id for item in found], ended) == (["1", "2", "3"], "last_page")


def test_a_cursor_that_comes_again_ends_the_walk():
    answers = iter(range(100))
    _, ended = _walk(lambda url: _page({**IMAGE, "id": next(answers)}, cursor="same"))
    assert ended == "cursor_repeated"


def test_a_page_without_anything_new_ends_the_walk():
    cursors = iter(range(100))
    found, ended = _walk(lambda url: _page(IMAGE, cursor=f"c{next(cursors)}"))
    assert (len(found), ended) == (1, "page_without_new_records")


def test_the_walk_ends_at_the_wanted_number():
    found, ended = _walk(lambda url: _page(IMAGE, {**IMAGE, "id": 2}, cursor="c"), max_records=2)
    assert (len(found), ended) == (2, "max_records")


@pytest.mark.parametrize(
    "metadata",
    [{"nextCursor": 7}, {"nextCursor": "7"}, {"nextPage": "https://civitai.com/api/v1/images?limit=1&cursor=7"}],
)
def test_the_cursor_may_be_a_number_or_stand_in_the_next_pages_address(metadata):
    asked = []

    def fetch(url):
        asked.append(parse_qs(urlsplit(url).query).get("cursor"))
        return json.dumps({"items": [{**IMAGE, "id": len(asked)}], "metadata": metadata if len(asked) == 1 else {}})

    found, ended = _walk(fetch)
    assert (len(found), ended, asked) == (2, "last_page", [None, ["7"]])


@pytest.mark.parametrize("metadata", [None, {}, {"nextCursor": True}, {"nextCursor": ""}, {"nextPage": "x?y=1"}])
def test_metadata_without_a_cursor_is_the_last_page(metadata):
    _, ended = _walk(lambda url: json.dumps({"items": [IMAGE], "metadata": metadata}))
    assert ended == "last_page"


def test_people_are_nowhere_in_the_metadata_at_any_depth():
    record = _only(user={"username": "Ajuro"}, meta={**META, "resources": [{"username": "Ajuro", "name": "x"}]})
    assert isinstance(record, Record)
    assert "Ajuro" not in str(record.row())
    assert json.loads(record.meta_json)["meta"]["resources"] == [{"name": "x"}]


def test_numbers_that_json_has_not_and_halves_of_emojis_become_something_that_a_table_holds():
    text = _page({**IMAGE, "meta": {**META, "prompt": "star \ud83d", "cfgScale": float("nan")}})
    record = _walk(lambda url: text)[0][0]
    assert isinstance(record, Record)
    assert (record.prompt, record.cfg) == ("star ?", None)
    assert json.loads(record.meta_json, parse_constant=pytest.fail)["meta"]["cfgScale"] is None


def test_an_answer_nested_without_end_is_told_as_no_json():
    with pytest.raises(SourceError, match="did not answer with JSON"):
        _walk(lambda url: "[" * 100_000)
