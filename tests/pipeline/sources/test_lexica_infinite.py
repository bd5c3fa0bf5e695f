import json

import pytest

from pipeline.errors import SourceError
from pipeline.sources import lexica_infinite
from pipeline.sources.lexica_infinite import InfinitePrompts
from pipeline.sources.record import Record, Rejected

PROMPT = {
    "id": "d9868972",
    "prompt": "a (tree:1.2)",
    "negativePrompt": "blurry",
    "timestamp": "2022-10-02T14:12:15.000Z",
    "grid": False,
    "seed": "21364683354",
    "c": 7,
    "model": "lexica-aperture-v2",
    "width": 512,
    "height": 512,
    "is_private": False,
    "images": [{"id": "0482ee68"}],
}
IMAGE = {"id": "0482ee68", "promptid": "d9868972", "width": 512, "height": 768, "userid": "ada", "raw_mode": False}
CONFIG = InfinitePrompts(model="lexica-aperture-v2", image_base="https://image.lexica.art/full_jpg")


class Site:
    """Answers posts one after another, the last one for ever."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def __call__(self, url):
        raise AssertionError(url)

    def post(self, url, value):
        self.asked.append((url, value))
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        return answer if isinstance(answer, str) else json.dumps(answer)


def _answer(*images, prompts=(PROMPT,), cursor=None):
    return {"prompts": list(prompts), "images": list(images), **({} if cursor is None else {"nextCursor": cursor})}


def _pages(site):
    return list(lexica_infinite.pages(site, "old tree", CONFIG, "salt"))


def _only(image=IMAGE, **changes):
    return _pages(Site(_answer(image, prompts=[{**PROMPT, **changes}])))[0][0]


def test_a_picture_is_joined_with_its_prompt():
    record = _only()
    assert isinstance(record, Record)
    assert (record.source_id, record.prompt, record.complex_prompt) == ("0482ee68", "a (tree:1.2)", "a tree")
    assert (record.negative_prompt, record.model, record.cfg) == ("blurry", "lexica-aperture-v2", 7.0)
    assert (record.seed, record.width, record.height) == (21364683354, 512, 768)
    assert record.image_url == "https://image.lexica.art/full_jpg/0482ee68"
    assert record.page_url == "https://lexica.art/prompt/d9868972"
    assert (record.licence, record.nsfw_level, record.created_at) == ("CC-BY-NC-4.0", 0, PROMPT["timestamp"])
    assert "robots.txt obeyed" in record.access_basis


def test_the_author_is_hashed_and_nowhere_else():
    record = _only()
    assert record.author_hash
    assert "ada" not in str(record.row())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"grid": True}, "grid"),
        ({"is_private": True}, "private"),
        ({"prompt": None}, "no_prompt"),
        ({"id": "another"}, "no_prompt"),
    ],
)
def test_what_is_no_record_is_rejected_with_its_reason(changes, reason):
    assert _only(**changes) == Rejected("0482ee68", reason)


@pytest.mark.parametrize("image", [{"promptid": "d9868972"}, {**IMAGE, "id": "../x"}, 7])
def test_a_picture_without_a_usable_id_is_malformed(image):
    assert _only(image).reason == "malformed"


def test_every_page_is_asked_for_by_the_cursor_of_the_last():
    site = Site(
        *(_answer({**IMAGE, "id": str(number)}, cursor=cursor) for number, cursor in enumerate((50, 100, None)))
    )
    assert [[item.source_id for item in page] for page in _pages(site)] == [["0"], ["1"], ["2"]]
    assert [value["cursor"] for _, value in site.asked] == [0, 50, 100]
    assert site.asked[0] == (
        "https://lexica.art/api/infinite-prompts",
        {"text": "old tree", "searchMode": "images", "source": "search", "cursor": 0, "model": "lexica-aperture-v2"},
    )


def test_a_cursor_that_comes_again_ends_the_query():
    answers = (_answer({**IMAGE, "id": str(number)}, cursor=50 if number % 2 else 0) for number in range(9))
    assert len(_pages(Site(*answers))) == 1
    answers = (_answer({**IMAGE, "id": str(number)}, cursor=50) for number in range(9))
    assert len(_pages(Site(*answers))) == 2


def test_pages_that_repeat_themselves_end_the_query_whatever_their_cursor():
    site = Site(*(_answer(IMAGE, cursor=50 * number) for number in range(1, 20)))
    assert len(_pages(site)) == 1
    assert len(site.asked) == 2


@pytest.mark.parametrize("cursor", [None, "more", {}])
def test_an_odd_cursor_is_the_end(cursor):
    site = Site({**_answer(IMAGE), "nextCursor": cursor})
    assert len(_pages(site)) == len(site.asked) == 1


@pytest.mark.parametrize("answer", ["<html>", {"prompts": []}, {"images": {}}])
def test_another_form_of_answer_stops_the_walk(answer):
    with pytest.raises(SourceError, match=r"did not answer with JSON|JSON without a list 'images'"):
        _pages(Site(answer))


def test_an_answer_without_prompts_rejects_its_pictures():
    assert _pages(Site({"images": [IMAGE], "prompts": None}))[0] == [Rejected("0482ee68", "no_prompt")]
