import hashlib

import pyarrow as pa
import pytest

from pipeline import tables
from pipeline.captioning import BlipParams
from pipeline.engine import ComputeParams
from pipeline.errors import EmptyResultError
from pipeline.files import read_json
from pipeline.params import load
from pipeline.samples import CAPTIONS
from pipeline.tables import DROPPED
from stages.caption import _captioner, caption
from tests.stages import pairs

PARAMS = BlipParams(
    backend="transformers",
    model="m",
    revision="r",
    dtype="float32",
    prompt="",
    decoding="beam",
    beams=3,
    top_p=None,
    seed=None,
    repetition_penalty=1.0,
    min_length=1,
    max_length=8,
)


def name(content):
    return hashlib.sha256(content).hexdigest()[:8]


class Blip:
    """Tells pictures apart by their bytes; counts what it is asked."""

    def __init__(self, say=None):
        self.asked = []
        self.say = say or (lambda content: f"a picture named {name(content)}")

    def __call__(self, table):
        pictures = table.column("image").to_pylist()
        self.asked.append(len(pictures))
        texts = [self.say(content) for content in pictures]
        cut = [text.endswith("and") for text in texts]
        return pa.table({"key": table.column("key"), "simple_prompt": texts, "caption_truncated": cut})


def run(tmp_path, blip, numbers=range(7), *, source="samples.parquet", config=PARAMS):
    clean = pairs.clean(tmp_path / source, numbers)
    parts = pairs.download(tmp_path / "parts", range(12))
    caption(clean, parts, tmp_path / "out", config, build=lambda: blip, unit=3)
    return tmp_path / "out"


def test_every_picture_gets_its_own_caption(tmp_path):
    out = run(tmp_path, Blip())
    rows = tables.read(out / "captions.parquet", CAPTIONS).to_pylist()
    assert [row["sample_id"] for row in rows] == sorted(pairs.sample(n)["sample_id"] for n in range(7))
    for row in rows:
        number = int(row["sample_id"].split(":")[1])
        assert row["simple_prompt"] == f"a picture named {name(pairs.png(number))}"
    report = read_json(out / "report.json")
    assert (report["in"], report["out"], report["dropped"]) == (7, 7, {})
    assert report["mean_words"] == 4
    assert (out / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_useless_captions_are_dropped_and_counted(tmp_path):
    useless = {pairs.png(1): "", pairs.png(2): "star star star"}
    out = run(tmp_path, Blip(lambda content: useless.get(content, "a star")), range(3))
    assert read_json(out / "report.json")["dropped"] == {"no_caption": 1, "repeated_words": 1}
    assert {row["drop_reason"] for row in tables.read(out / "dropped.parquet", DROPPED).to_pylist()} == {
        "no_caption",
        "repeated_words",
    }
    assert tables.read(out / "captions.parquet", CAPTIONS).column("sample_id").to_pylist() == ["lexica:000"]


def test_captions_that_were_cut_are_counted(tmp_path):
    cut = {pairs.png(1): "a star and", pairs.png(2): "a a a and"}
    out = run(tmp_path, Blip(lambda content: cut.get(content, "a star")), range(4))
    report = read_json(out / "report.json")
    assert (report["captions_truncated"], report["out"]) == (2, 3)


def test_rows_that_come_in_parts_give_the_same_bytes(tmp_path, monkeypatch):
    useless = {pairs.png(1): "", pairs.png(2): "star star star", pairs.png(6): ""}
    whole = Blip(lambda content: useless.get(content, f"a picture named {name(content)} and"))
    found = {path.name: path.read_bytes() for path in run(tmp_path, whole, range(10)).iterdir()}
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "other"))
    monkeypatch.setattr("stages.caption.AT_ONCE", 4)
    monkeypatch.setattr("stages.caption.PACKED", 3)
    parts = Blip(whole.say)
    assert found == {path.name: path.read_bytes() for path in run(tmp_path, parts, range(10)).iterdir()}
    assert (whole.asked, parts.asked) == ([3, 3, 3, 1], [3, 1, 3, 1, 2])
    assert read_json(tmp_path / "out" / "report.json") == {
        "in": 10,
        "out": 7,
        "dropped": {"no_caption": 2, "repeated_words": 1},
        "captions_truncated": 7,
        "distinct_captions": 7,
        "mean_words": 5.0,
    }


def test_captions_are_distinct_by_their_text(tmp_path):
    out = run(tmp_path, Blip(lambda content: f"a star {int(name(content), 16) % 2}"))
    texts = tables.read(out / "captions.parquet", CAPTIONS).column("simple_prompt").to_pylist()
    assert read_json(out / "report.json")["distinct_captions"] == len(set(texts)) < len(texts)


def test_added_samples_cost_only_themselves(tmp_path):
    run(tmp_path, Blip())
    blip = Blip()
    run(tmp_path, blip, range(9))
    assert blip.asked == [2]


def test_a_changed_setting_captions_anew(tmp_path):
    run(tmp_path, Blip())
    blip = Blip()
    run(tmp_path, blip, config=PARAMS.model_copy(update={"beams": 5}))
    assert sum(blip.asked) == 7


def test_the_other_backends_captions_are_no_ones_own(tmp_path):
    run(tmp_path, Blip())
    blip = Blip()
    run(tmp_path, blip, config=PARAMS.model_copy(update={"backend": "lavis"}))
    assert sum(blip.asked) == 7


@pytest.mark.parametrize(("backend", "name"), [("transformers", "Captioner"), ("lavis", "LavisCaptioner")])
def test_the_backend_is_the_one_that_is_set(monkeypatch, backend, name):
    built = []
    blip = Blip()
    monkeypatch.setattr(f"stages.caption.{name}", lambda *given: built.append(given) or blip)
    config, compute = PARAMS.model_copy(update={"backend": backend}), load(ComputeParams, "compute")
    compute = compute.model_copy(update={"device": "cpu", "caption_batch": 2})
    operator = _captioner(config, compute)
    assert built == [(config, "cpu")]
    captions = operator(pa.table({"key": list("abc"), "image": [b"1", b"2", b"3"]}))
    assert (captions.num_rows, blip.asked) == (3, [2, 2])


def test_a_killed_run_goes_on_and_gives_the_same_bytes(tmp_path, monkeypatch):
    class Killed(Blip):
        def __call__(self, table):
            if len(self.asked) == 2:
                raise KeyboardInterrupt
            return super().__call__(table)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Killed())
    assert not (tmp_path / "out" / "captions.parquet").exists()
    again = Blip()
    out = run(tmp_path, again)
    assert again.asked == [1]
    found = {path.name: path.read_bytes() for path in out.iterdir()}
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "other"))
    assert found == {path.name: path.read_bytes() for path in run(tmp_path, Blip()).iterdir()}


def test_nothing_left_names_the_settings(tmp_path):
    with pytest.raises(EmptyResultError, match=r"none of 7 captions can be used, see blip.model"):
        run(tmp_path, Blip(lambda _: "a a a"))
    assert tables.count(tmp_path / "out" / "dropped.parquet") == 7
    assert not (tmp_path / "out" / "captions.parquet").exists()
