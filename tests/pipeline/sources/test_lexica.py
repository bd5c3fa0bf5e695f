import json

import pytest

from pipeline.errors import SourceError
from pipeline.sources import lexica
from pipeline.sources.lexica import LexicaParams
from pipeline.sources.record import Record, Rejected

IMAGE = {
    "id": "0482ee68-0368-4eca-8846-5930db866b33",
    "gallery": "https://lexica.art?q=0482ee68",
    "src": "https://image.lexica.art/md/0482ee68",
    "prompt": "cute chubby (blue fruits:1.2) icons",
    "width": 512,
    "height": 768,
    "seed": "21364683354",
    "grid": False,
    "model": "stable-diffusion",
    "guidance": 7,
    "promptid": "d9868972",
    "nsfw": False,
}


def _answer(*images):
    return json.dumps({"images": list(images)})


def _only(**changes):
    return lexica.parse(_answer({**IMAGE, **changes}), "https://lexica.art")[0]


def _config(**changes):
    values = {"serve": None, "queries": ["a", "b c"], "max_records": 10, "requests_per_s": 1.0}
    return LexicaParams.model_validate({**values, "infinite_prompts": None, **changes})


def _walk(fetch, config):
    found, walk = [], lexica.walk(fetch, config, "salt")
    while True:
        try:
            found.append(next(walk))
        except StopIteration as end:
            return found, end.value


def test_a_picture_of_the_documented_search_is_a_record():
    record = _only()
    assert isinstance(record, Record)
    assert (record.seed, record.cfg, record.width, record.height) == (21364683354, 7.0, 512, 768)
    assert (record.prompt, record.complex_prompt) == (IMAGE["prompt"], "cute chubby blue fruits icons")
    assert (record.licence, record.nsfw_level) == ("CC-BY-NC-4.0", 1)
    assert record.image_url == IMAGE["src"]
    assert json.loads(record.meta_json) == IMAGE


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"grid": True}, "grid"),
        ({"prompt": ""}, "no_prompt"),
        ({"prompt": None}, "no_prompt"),
        ({"prompt": "<lora:x:1>"}, "no_prompt"),
        ({"id": None}, "malformed"),
        ({"src": "http://x"}, "no_image_url"),
    ],
)
def test_what_is_no_record_is_rejected_with_its_reason(changes, reason):
    rejected = _only(**changes)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == reason


def test_newer_answers_without_optional_fields_are_taken():
    image = {key: value for key, value in IMAGE.items() if key not in ("guidance", "promptid", "nsfw")}
    record = lexica.parse(_answer(image), "https://lexica.art")[0]
    assert isinstance(record, Record)
    assert (record.cfg, record.nsfw_level) == (None, 0)
    assert record.page_url.endswith(IMAGE["id"])


def test_a_flagged_picture_is_rated_r():
    record = _only(nsfw=True)
    assert isinstance(record, Record)
    assert record.nsfw_level == 4


def test_every_query_is_asked_once_and_each_picture_given_once():
    asked = []

    def fetch(url):
        asked.append(url)
        return _answer(IMAGE, {**IMAGE, "id": str(len(asked))})

    found, ended = _walk(fetch, _config())
    assert asked == ["https://lexica.art/api/v1/search?q=a", "https://lexica.art/api/v1/search?q=b+c"]
    assert [item.source_id for item in found] == [IMAGE["id"], "1", "2"]
    assert ended == "all_queries_asked"


def test_the_walk_ends_at_the_wanted_number():
    found, ended = _walk(lambda url: _answer(IMAGE, {**IMAGE, "id": "2"}), _config(max_records=1))
    assert (len(found), ended) == (1, "max_records")


def test_the_other_way_is_gone_where_it_is_set():
    class Site:
        def __call__(self, url):
            raise AssertionError(url)

        def post(self, url, asked):
            images = [{"id": f"{asked['text'][0]}{asked['cursor']}", "promptid": "p"}, {"id": "same", "promptid": "p"}]
            answer = {"prompts": [{"id": "p", "prompt": "star"}], "images": images}
            return json.dumps({**answer, **({"nextCursor": 50} if asked["cursor"] == 0 else {})})

    other = {"model": "v3.5", "image_base": "https://image.lexica.art/md2"}
    found, ended = _walk(Site(), _config(infinite_prompts=other))
    assert [item.source_id for item in found] == ["a0", "same", "a50", "b0", "b50"]
    assert ended == "all_queries_asked"
    assert _walk(Site(), _config(infinite_prompts=other, max_records=2))[1] == "max_records"


def test_a_page_for_people_instead_of_json_stops_the_walk():
    with pytest.raises(SourceError, match="did not answer with JSON"):
        _walk(lambda url: "<html>down for maintenance", _config())
