import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import clip_score, params, tables
from pipeline.clip_score import FEATURES, RESULT
from pipeline.errors import EmptyResultError
from pipeline.files import read_json
from pipeline.samples import SCORES
from pipeline.tables import DROPPED
from stages import clip_filter as stage
from stages.clip_filter import clip_filter
from tests.closure import ROOT
from tests.pipeline.frozen_models import clip_folder, clip_params
from tests.stages import pairs

CAPTIONS = {0: "score 30", 1: "score 25", 2: "score 20", 3: "score 24.5"}


class Pictures:
    """Features of a picture: the length of its file and its last bytes."""

    def __init__(self):
        self.asked = 0

    def __call__(self, table):
        self.asked += table.num_rows
        contents = table.column("image").to_pylist()
        assert all(content.startswith(b"\x89PNG") for content in contents)
        features = [[float(len(content)), float(content[-5])] for content in contents]
        return pa.table([table.column("key"), pa.array(features, FEATURES.types[0])], names=["key", *FEATURES.names])


class Prompts:
    """Reads the simple prompt's score from its text and gives every complex prompt 25, or 5 for sample 2."""

    def __init__(self):
        self.asked = 0

    def __call__(self, table):
        self.asked += table.num_rows
        assert all(len(features) == 2 for features in table.column("embedding").to_pylist())
        simple = [float(text.split()[1]) for text in table.column("simple_prompt").to_pylist()]
        texts = table.column("complex_prompt").to_pylist()
        scores = [pa.array(simple, pa.float32()), pa.array([25.0 for _ in texts], pa.float32())]
        longer = [pa.array(["24.5" in text for text in table.column("simple_prompt").to_pylist()])]
        longer += [pa.array(["number 3" in text for text in texts])]
        return pa.table([table.column("key"), *scores, *longer], names=["key", *RESULT.names])


class Run:
    """The stage on a small data set; counts what the models are asked."""

    def __init__(self, tmp_path, captions=None, **rule):
        source = pairs.captioned(tmp_path / "captions.parquet", captions or CAPTIONS)
        parts = pairs.download(tmp_path / "parts", range(40))
        pictures, prompts = Pictures(), Prompts()
        self.out = tmp_path / "out"
        config = clip_params(**rule)
        try:
            clip_filter(source, parts, self.out, config, pictures=lambda: pictures, prompts=lambda: prompts, unit=3)
        finally:
            self.asked = (pictures.asked, prompts.asked)

    @property
    def rows(self):
        return tables.read(self.out / "scores.parquet", SCORES).to_pylist()

    @property
    def kept(self):
        return {int(row["sample_id"].split(":")[1]) for row in self.rows if row["kept"]}

    @property
    def reasons(self):
        return {int(row["sample_id"].split(":")[1]): row["drop_reason"] for row in self.rows if row["drop_reason"]}


def test_pairs_whose_simple_prompt_fits_as_well_are_kept(tmp_path):
    done = Run(tmp_path)
    assert done.kept == {0, 1}
    assert done.reasons == {2: "simple_scores_lower", 3: "simple_scores_lower"}
    assert tables.read(done.out / "dropped.parquet", DROPPED).num_rows == 2


def test_minimum_scores_drop_what_the_paper_keeps(tmp_path):
    done = Run(tmp_path, min_simple=26.0)
    assert done.kept == {0}
    assert done.reasons[1] == "simple_below_minimum"
    assert read_json(done.out / "report.json")["dropped"] == {"simple_below_minimum": 1, "simple_scores_lower": 2}
    with pytest.raises(EmptyResultError, match=r"none of 4 pairs reaches clip.margin 0, clip.min_complex 25.5$"):
        Run(tmp_path, min_complex=25.5)


def test_the_report_sets_shares_beside_the_papers(tmp_path):
    report = read_json(Run(tmp_path).out / "report.json")
    assert report["kept_share"] == {"civitai": 0.5, "lexica": 0.5, "total": 0.5}
    assert report["paper_kept_share"] == 0.5818
    assert (report["simple_prompts_truncated"], report["complex_prompts_truncated"]) == (1, 1)
    assert report["dropped"] == {"simple_scores_lower": 2}


def test_a_changed_rule_asks_no_model(tmp_path):
    assert Run(tmp_path).asked == (4, 4)
    for rule, kept in (({"margin": 1.0}, {0}), ({"margin": -0.5}, {0, 1, 3}), ({"min_simple": 30.0}, {0})):
        done = Run(tmp_path, **rule)
        assert done.kept == kept
        assert done.asked == (0, 0)


def test_a_changed_caption_is_scored_again_and_its_picture_is_not_encoded_again(tmp_path):
    Run(tmp_path)
    done = Run(tmp_path, CAPTIONS | {2: "score 40"})
    assert done.kept == {0, 1, 2}
    assert done.asked == (0, 1)


def test_long_prompts_decide_scores_and_no_pictures_and_the_model_decides_both(tmp_path):
    Run(tmp_path)
    assert Run(tmp_path, long_prompts="mean_of_chunks").asked == (0, 4)
    assert Run(tmp_path, dtype="bfloat16").asked == (4, 4)
    assert Run(tmp_path, revision="s").asked == (4, 4)


def test_the_same_picture_twice_is_encoded_once(tmp_path):
    again = tables.read(pairs.captioned(tmp_path / "a.parquet", CAPTIONS), pairs.CAPTIONS).to_pylist()
    copies = [{**row, "image_sha256": again[0]["image_sha256"], "part": again[0]["part"]} for row in again]
    tables.write(tables.from_rows(copies, pairs.CAPTIONS), tmp_path / "b.parquet", pairs.CAPTIONS)
    parts, pictures = pairs.download(tmp_path / "parts", range(4)), Pictures()
    config = clip_params()
    clip_filter(
        tmp_path / "b.parquet", parts, tmp_path / "out", config, pictures=lambda: pictures, prompts=Prompts, unit=3
    )
    assert pictures.asked == 1


def test_every_pictures_features_are_kept_in_the_samples_order(tmp_path):
    path = Run(tmp_path).out / "embeddings.parquet"
    rows = tables.read(path, clip_score.embeddings(2))
    assert rows.column("sample_id").to_pylist() == sorted(pairs.sample(number)["sample_id"] for number in CAPTIONS)
    numbers = [int(name.split(":")[1]) for name in rows.column("sample_id").to_pylist()]
    wanted = [[len(pairs.png(number)), pairs.png(number)[-5]] for number in numbers]
    assert rows.column("embedding").to_pylist() == wanted
    assert tables.metadata(path) == {"model": "m", "revision": "r", "dtype": "float32"}


def test_the_scores_say_by_which_settings_they_were_made(tmp_path):
    done = Run(tmp_path, margin=-1.0, min_simple=24.0)
    told = json.loads(tables.metadata(done.out / "scores.parquet")["clip"])
    assert told == clip_params(margin=-1.0, min_simple=24.0).model_dump()


def test_rows_by_the_handful_give_the_same_bytes(tmp_path, monkeypatch):
    captions = {number: f"score {number}" for number in range(40)}
    first = {path.name: path.read_bytes() for path in Run(tmp_path, captions).out.iterdir()}
    monkeypatch.setattr(stage, "AT_ONCE", 7)
    monkeypatch.setattr(stage, "PACKED", 5)
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "other"))
    again = Run(tmp_path, captions)
    assert again.asked == (40, 40)
    assert first == {path.name: path.read_bytes() for path in again.out.iterdir()}
    assert first["scores.png"].startswith(b"\x89PNG")
    assert first["pairs.png"].startswith(b"\x89PNG")


def test_a_rule_that_keeps_nothing_says_what_it_asks_and_leaves_the_scores_to_look_at(tmp_path):
    with pytest.raises(EmptyResultError, match=r"none of 4 pairs reaches clip.margin 50$"):
        Run(tmp_path, margin=50.0)
    assert tables.count(tmp_path / "out" / "scores.parquet") == 4


def test_main_runs_the_real_operators_on_the_settings_in_force(tmp_path, monkeypatch):
    model, revision = clip_folder(tmp_path / "clip")
    text = (ROOT / "params.yaml").read_text()
    chosen = params.load(stage.ClipParams, "clip", ROOT / "params.yaml")
    text = text.replace(chosen.model, model).replace(chosen.revision, revision).replace("margin: 0.0", "margin: -100.0")
    (tmp_path / "params.yaml").write_text(text)
    pairs.captioned(tmp_path / stage.CAPTIONED, dict.fromkeys(range(5), "a red circle"))
    pairs.download(tmp_path / stage.PARTS, range(5))
    monkeypatch.chdir(tmp_path)
    stage.main()
    vectors = np.array(pq.read_table(stage.TARGET / "embeddings.parquet").column("embedding").to_pylist())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert Path("data/clip_filter/report.json").is_file()
