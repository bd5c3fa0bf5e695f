import csv
import json

import numpy as np
import pyarrow as pa
import pytest

from pipeline import llm, tables
from pipeline.errors import ModelError, SettingError
from pipeline.files import read_json
from pipeline.layer_encoder import load_encoder
from pipeline.llm import LlmParams, LlmShape
from stages import embed as stage
from stages.embed import PROMPTS, embed
from tests.pipeline.frozen_models import llama_folder

SIZES = LlmShape(layers=4, width=16)
TEXTS = ["a red circle", "two stars", "person", "three blue circles on white ground", "a red circle", "red star"]


def params(**changes):
    values = {"model": "m", "revision": "r", "layer": 1, "layers": "all", "dtype": "float32", "store_dtype": "float16"}
    return LlmParams(**values | {"final_norm": False, "pool_bos": False, "states": "pooled"} | changes)


def surd(folder, texts):
    rows = [{"sample_id": f"x:{number:03d}", "simple_prompt": text} for number, text in enumerate(texts)]
    tables.write_shards([tables.from_rows(rows, PROMPTS)], folder, PROMPTS, rows=4)
    return folder


class Counting:
    """Loads the tiny LLaMA and counts loadings and prompts."""

    def __init__(self, config, layers, *, stop_after=None):
        self.config, self.layers, self.stop_after = config, layers, stop_after
        self.loaded = self.prompts = 0

    def __call__(self):
        self.loaded += 1
        self.encoder = load_encoder(self.config, self.layers, device="cpu", batch=8)
        return self.operate

    def operate(self, table):
        if self.stop_after is not None and self.prompts >= self.stop_after:
            raise KeyboardInterrupt
        self.prompts += table.num_rows
        return self.encoder(table)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return dict(zip(("model", "revision"), llama_folder(tmp_path_factory.mktemp("llama")), strict=True))


def run(tmp_path, model, texts=TEXTS, *, stop_after=None, **changes):
    config = params(**model, **changes)
    build = Counting(config, llm.requested(config, 4), stop_after=stop_after)
    embed(surd(tmp_path / "parts", texts), tmp_path / "out", config, SIZES, build=build, unit=2)
    return tmp_path / "out", build


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_layer_has_a_file_with_every_samples_vector(tmp_path, model):
    out, build = run(tmp_path, model)
    assert sorted(path.name for path in (out / "layers").iterdir()) == [f"layer_{k}.parquet" for k in range(1, 5)]
    for layer in (1, 4):
        found = llm.load_layer(out / "layers" / f"layer_{layer}.parquet", [f"x:{n:03d}" for n in range(len(TEXTS))])
        np.testing.assert_allclose(found, build.encoder.encode(TEXTS)[layer], rtol=1e-3, atol=1e-3)
    told = tables.metadata(out / "layers" / "layer_4.parquet")
    assert {key: told[key] for key in ("llm", "revision", "pooling", "final_norm", "layer", "computed_in")} == {
        "llm": model["model"],
        "revision": model["revision"],
        "pooling": "mean",
        "final_norm": "false",
        "layer": "4",
        "computed_in": "float32",
    }


def test_the_report_and_the_table_of_layers_say_what_was_made(tmp_path, model):
    out, build = run(tmp_path, model)
    report = read_json(out / "report.json")
    assert (report["in"], report["out"], report["distinct_prompts"]) == (6, 6, 5)
    assert (report["layers"], report["width"], report["tokens"]) == (4, 16, 3 + 2 + 1 + 6 + 3 + 2)
    rows = list(csv.DictReader((out / "layers.csv").read_text().splitlines()))
    assert [row["layer"] for row in rows] == ["1", "2", "3", "4"]
    assert (out / "norms.png").read_bytes().startswith(b"\x89PNG")
    assert pa.ipc.open_file((out / "states" / "index.arrow").read_bytes()).read_all().num_rows == 0
    assert (build.loaded, build.prompts) == (1, 5)


def test_only_the_listed_layers_are_written(tmp_path, model):
    out, build = run(tmp_path, model, layers=[1, 3])
    assert sorted(path.name for path in (out / "layers").iterdir()) == ["layer_1.parquet", "layer_3.parquet"]
    assert len(build.encoder._blocks) == 3


def test_another_trained_layer_needs_no_pass(tmp_path, model):
    before = contents(run(tmp_path, model)[0])
    out, build = run(tmp_path, model, layer=4)
    assert build.loaded == 0
    assert contents(out) == before


def test_added_prompts_cost_only_themselves(tmp_path, model):
    run(tmp_path, model)
    assert run(tmp_path, model, [*TEXTS, "a person jumping", "two stars"])[1].prompts == 1


def test_a_killed_run_goes_on_and_gives_the_same_bytes(tmp_path, model, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, model, stop_after=2)
    assert not (tmp_path / "out" / "layers").exists()
    out, build = run(tmp_path, model)
    assert build.prompts == 3
    found = contents(out)
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "other"))
    assert contents(run(tmp_path, model)[0]) == found


@pytest.mark.parametrize("changes", [{"pool_bos": True}, {"final_norm": True}, {"store_dtype": "float32"}])
def test_what_changes_a_vector_computes_it_anew(tmp_path, model, changes):
    run(tmp_path, model)
    out, build = run(tmp_path, model, **changes)
    assert build.prompts == 5
    assert tables.metadata(out / "layers" / "layer_1.parquet")["pooling"] == (
        "mean_with_bos" if "pool_bos" in changes else "mean"
    )


def settings(tmp_path, monkeypatch, **changes):
    monkeypatch.chdir(tmp_path)
    compute = {"engine": "local", "device": "cpu", "threads": 1, "download_workers": 1, "caption_batch": 1}
    compute |= dict.fromkeys(("clip_batch", "llm_batch", "vae_batch", "sample_batch", "micro_batch"), 2)
    compute |= dict.fromkeys(("gradient_checkpointing", "channels_last", "compile"), False)
    document = {"llm": params(**changes).model_dump(), "compute": compute}
    (tmp_path / "params.yaml").write_text(json.dumps(document, indent=1))


def test_the_stage_runs_with_the_settings_in_force(tmp_path, model, monkeypatch):
    settings(tmp_path, monkeypatch, **model)
    surd(tmp_path / "data" / "resize" / "parts", TEXTS)
    stage.main()
    assert (tmp_path / "data" / "embed" / "layers" / "layer_4.parquet").is_file()


def test_a_layer_that_the_llm_lacks_is_refused_before_anything_is_read(tmp_path, model, monkeypatch):
    settings(tmp_path, monkeypatch, **model, layer=5)
    with pytest.raises(SettingError, match=r"llm.layer must be 1 to 4"):
        stage.main()


def test_a_model_out_of_reach_is_one_line(tmp_path, monkeypatch):
    settings(tmp_path, monkeypatch)
    monkeypatch.setattr(stage, "shape", lambda _model, _revision: None)
    with pytest.raises(ModelError, match="model m cannot be reached: fetch it first"):
        stage.main()
