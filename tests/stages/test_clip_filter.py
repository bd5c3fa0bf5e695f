import pyarrow as pa
import pytest

from pipeline import tables
from pipeline.clip_score import RESULT, ClipParams
from pipeline.errors import EmptyResultError
from pipeline.files import read_json
from pipeline.samples import SCORES
from pipeline.tables import DROPPED
from stages.clip_filter import clip_filter
from tests.stages import pairs

CAPTIONS = {0: "score 30", 1: "score 25", 2: "score 20", 3: "score 24.5"}


class Clip:
    """Reads the simple prompt's score from its text and gives every complex prompt 25."""

    def __init__(self):
        self.asked = 0

    def __call__(self, table):
        self.asked += table.num_rows
        simple = [float(text.split()[1]) for text in table.column("simple_prompt").to_pylist()]
        truncated = ["number 3" in text for text in table.column("complex_prompt").to_pylist()]
        assert all(content.startswith(b"\x89PNG") for content in table.column("image").to_pylist())
        columns = [pa.array(simple, pa.float32()), pa.array([25.0] * len(simple), pa.float32()), pa.array(truncated)]
        return pa.table([table.column("key"), *columns], names=["key", *RESULT.names])


def run(tmp_path, captions=None, *, clip=None, margin=0.0):
    source = pairs.captioned(tmp_path / "captions.parquet", captions or CAPTIONS)
    parts = pairs.download(tmp_path / "parts", range(40))
    config = ClipParams(model="m", revision="r", margin=margin)
    clip = clip or Clip()
    clip_filter(source, parts, tmp_path / "out", config, build=lambda: clip, unit=3)
    return tmp_path / "out"


def kept(out):
    rows = tables.read(out / "scores.parquet", SCORES).to_pylist()
    return {int(row["sample_id"].split(":")[1]) for row in rows if row["kept"]}


def test_pairs_whose_simple_prompt_fits_as_well_are_kept(tmp_path):
    out = run(tmp_path)
    assert kept(out) == {0, 1}
    rows = tables.read(out / "scores.parquet", SCORES)
    assert rows.num_rows == 4
    assert rows.column("drop_reason").to_pylist().count("simple_scores_lower") == 2
    assert tables.read(out / "dropped.parquet", DROPPED).num_rows == 2


def test_the_report_sets_shares_beside_the_papers(tmp_path):
    report = read_json(run(tmp_path) / "report.json")
    assert report["kept_share"] == {"civitai": 0.5, "lexica": 0.5, "total": 0.5}
    assert report["paper_kept_share"] == 0.5818
    assert report["complex_prompts_truncated"] == 1
    assert report["dropped"] == {"simple_scores_lower": 2}


def test_a_changed_margin_recomputes_nothing_but_the_rule(tmp_path):
    run(tmp_path)
    clip = Clip()
    assert kept(run(tmp_path, clip=clip, margin=1.0)) == {0}
    assert kept(run(tmp_path, clip=clip, margin=-0.5)) == {0, 1, 3}
    assert clip.asked == 0


def test_a_changed_caption_is_scored_again(tmp_path):
    run(tmp_path)
    clip = Clip()
    assert kept(run(tmp_path, CAPTIONS | {2: "score 40"}, clip=clip)) == {0, 1, 2}
    assert clip.asked == 1


def test_pictures_for_people_are_the_same_every_time(tmp_path):
    captions = {number: f"score {number}" for number in range(40)}
    first = {path.name: path.read_bytes() for path in run(tmp_path, captions).iterdir()}
    assert first == {path.name: path.read_bytes() for path in run(tmp_path, captions).iterdir()}
    assert first["scores.png"].startswith(b"\x89PNG")
    assert first["pairs.png"].startswith(b"\x89PNG")


def test_a_rule_that_keeps_nothing_names_the_margin(tmp_path):
    with pytest.raises(EmptyResultError, match=r"none of 4 pairs reaches clip.margin, which is 50"):
        run(tmp_path, margin=50.0)
