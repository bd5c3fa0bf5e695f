import csv
import gc
import json
import weakref
from functools import cache, partial

import numpy as np
import pyarrow as pa
import pytest

from pipeline import llm, operating, prompt_windows, tables
from pipeline.decoder import Decoder
from pipeline.errors import InputError, ModelError, SettingError, StorageError
from pipeline.files import read_json
from pipeline.layer_encoder import load_encoder
from pipeline.llm import LlmShape
from pipeline.llm_loading import load_tokens
from pipeline.prompt_windows import PROMPTS
from pipeline.state_files import States
from pipeline.token_states import load_states
from stages import embed as stage
from stages.embed import Llm, embed
from tests.pipeline.frozen_models import llama_folder
from tests.pipeline.frozen_models import llm_params as params

SIZES = LlmShape(layers=4, width=16)
TEXTS = ["a red circle", "two stars", "person", "three blue circles on white ground", "a red circle", "red star"]


def surd(folder, texts):
    rows = [{"sample_id": f"x:{number:03d}", "simple_prompt": text} for number, text in enumerate(texts)]
    tables.write_shards([tables.from_rows(rows, PROMPTS)], folder, PROMPTS, rows=4)
    return folder


class Counting:
    """The tiny LLaMA; counts loadings and prompts, and may be killed."""

    def __init__(self, config, *, stop_after=None):
        self.config, self.stop_after = config, stop_after
        self.loaded, self.prompts, self.encoders = [], 0, []

    def layers(self, layers):
        return self._watched(layers, load_encoder(self.config, layers, device="cpu", batch=8))

    def states(self, fed):
        layer = llm.states_layer(self.config, SIZES.layers)
        return self._watched(fed, load_states(self.config, layer, fed, device="cpu", batch=8))

    def _watched(self, what, operator):
        self.loaded.append(what)
        self.encoders.append(operator)
        return partial(self.operate, operator)

    def operate(self, operator, table):
        if self.stop_after is not None and self.prompts >= self.stop_after:
            raise KeyboardInterrupt
        self.prompts += table.num_rows
        return operator(table)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return dict(zip(("model", "revision"), llama_folder(tmp_path_factory.mktemp("llama")), strict=True))


@pytest.fixture
def passes(monkeypatch):
    """Layers and tokens of every pass of the LLM."""
    run, made = Decoder.run, []

    def counted(decoder, tokens, looks):
        made.append((sorted(looks), len(tokens[0])))
        run(decoder, tokens, looks)

    monkeypatch.setattr(Decoder, "run", counted)
    return made


def run(tmp_path, model, texts=TEXTS, *, stop_after=None, runner=operating.local, **changes):
    config = params(**model, **changes)
    build = Counting(config, stop_after=stop_after)
    made = Llm(layers=build.layers, states=build.states, tokens=cache(partial(load_tokens, config)))
    embed(surd(tmp_path / "parts", texts), tmp_path / "out", config, SIZES, llm=made, unit=2, run=runner)
    return tmp_path / "out", build


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_layer_has_a_file_with_every_samples_vector(tmp_path, model):
    out, build = run(tmp_path, model)
    assert sorted(path.name for path in (out / "layers").iterdir()) == [f"layer_{k}.parquet" for k in range(1, 5)]
    for layer in (1, 4):
        found = llm.load_layer(out / "layers" / f"layer_{layer}.parquet", [f"x:{n:03d}" for n in range(len(TEXTS))])
        np.testing.assert_allclose(found, build.encoders[0].encode(TEXTS)[layer], rtol=1e-3, atol=1e-3)
    told = tables.metadata(out / "layers" / "layer_4.parquet")
    assert {
        key: told[key] for key in ("llm", "revision", "pooling", "final_norm", "layer", "computed_in", "quantisation")
    } == {
        "llm": model["model"],
        "revision": model["revision"],
        "pooling": "mean",
        "final_norm": "false",
        "layer": "4",
        "computed_in": "float32",
        "quantisation": "none",
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
    assert (build.loaded, build.prompts) == ([(1, 2, 3, 4)], 5)


def test_only_the_listed_layers_are_written(tmp_path, model):
    out, build = run(tmp_path, model, layers=[1, 3])
    assert sorted(path.name for path in (out / "layers").iterdir()) == ["layer_1.parquet", "layer_3.parquet"]
    assert len(build.encoders[0]._decoder.blocks) == 3


def test_another_trained_layer_needs_no_pass(tmp_path, model, passes):
    before = contents(run(tmp_path, model)[0])
    made = len(passes)
    out, build = run(tmp_path, model, layer=4)
    assert (build.loaded, len(passes)) == ([], made)
    assert contents(out) == before


def test_fewer_layers_after_all_need_no_pass(tmp_path, model, passes):
    before = contents(run(tmp_path, model)[0])
    made = len(passes)
    out, build = run(tmp_path, model, layer=2, layers=[2, 4])
    assert (build.loaded, len(passes)) == ([], made)
    assert sorted(path.name for path in (out / "layers").iterdir()) == ["layer_2.parquet", "layer_4.parquet"]
    assert all(before[f"layers/layer_{k}.parquet"] == contents(out)[f"layers/layer_{k}.parquet"] for k in (2, 4))


def test_all_layers_after_one_compute_those_that_are_missing_in_one_pass(tmp_path, model, passes):
    before = contents(run(tmp_path, model, layer=2, layers=[2])[0])["layers/layer_2.parquet"]
    passes.clear()
    out, build = run(tmp_path, model)
    assert (build.loaded, build.prompts) == ([(1, 3, 4)], 5)
    assert all(looked == [1, 3, 4] for looked, _ in passes)
    assert contents(out)["layers/layer_2.parquet"] == before


def test_added_prompts_and_layers_compute_nothing_twice(tmp_path, model):
    run(tmp_path, model, layer=2, layers=[2])
    _, build = run(tmp_path, model, [*TEXTS, "a person jumping"])
    assert build.loaded == [(1, 2, 3, 4), (1, 3, 4)]
    assert build.prompts == 1 + 5


def test_a_run_that_waited_for_one_with_fewer_layers_computes_those_that_still_lack(tmp_path, model, monkeypatch):
    others = []

    def after_another(work, rows, store):
        if not others:  # the other run finishes between this one's look at the store and its lock
            others.append(run(tmp_path / "other", model, layer=2, layers=[2])[1])
        operating.local(work, rows, store)

    out, build = run(tmp_path / "waited", model, runner=after_another)
    assert (others[0].loaded, build.loaded) == ([(2,)], [(1, 3, 4)])
    found = contents(out)
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "store"))
    assert contents(run(tmp_path / "alone", model)[0]) == found


def test_the_window_changes_no_file(tmp_path, model, monkeypatch):
    found = contents(run(tmp_path, model)[0])
    monkeypatch.setattr(prompt_windows, "SHARDS_A_WINDOW", 1)
    monkeypatch.setattr(stage, "TAKEN_BYTES", 1)
    assert contents(run(tmp_path, model)[0]) == found


def test_prompts_are_embedded_sorted_by_their_tokens_over_all_shards(tmp_path, model, passes):
    run(tmp_path, model)
    assert [tokens for _, tokens in passes] == [2, 3, 3, 4, 7]  # with the start token; two prompts a unit


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


@pytest.mark.parametrize("states", ["tokens", "blocks"])
def test_token_states_stand_beside_the_pooled_vectors(tmp_path, model, states):
    out, build = run(tmp_path, model, states=states, store_dtype="float32")
    found = States(out / "states")
    assert build.loaded == [(1, 2, 3, 4), "prompt", *(["token"] if states == "blocks" else [])]
    for number, text in enumerate(TEXTS):
        values = found.of(f"x:{number:03d}")
        assert values.shape == ((len(text.split()), 16) if states == "tokens" else (len(text.split()), 5, 16))
        last = values if states == "tokens" else values[:, 4]
        pooled = llm.load_layer(out / "layers" / "layer_4.parquet", [f"x:{number:03d}"])[0]
        np.testing.assert_allclose(last.mean(axis=0), pooled, rtol=1e-4, atol=1e-4)
    assert found.facts("x:000")["layer"] == "4"
    if states == "blocks":
        first = found.tokens("x:000")[0]
        np.testing.assert_allclose(found.alone(first), found.of("x:000")[0], rtol=1e-4, atol=1e-4)


def test_the_final_norm_is_no_matter_of_token_states(tmp_path, model):
    before = contents(run(tmp_path, model, states="blocks")[0] / "states")
    out, build = run(tmp_path, model, states="blocks", final_norm=True)
    assert build.loaded == [(1, 2, 3, 4)]
    assert contents(out / "states") == before
    assert tables.metadata(out / "layers" / "layer_4.parquet")["final_norm"] == "true"
    told = States(out / "states").facts("x:000")
    assert (told["final_norm"], told["start_token"], "pooling" in told) == ("false", "false", False)


def test_no_two_copies_of_the_llm_are_in_memory(tmp_path, model):
    run(tmp_path, model, layer=2, layers=[2])
    living, decoders = [], []

    def counted(operator):
        gc.disable()  # what lives until some collection comes round is in memory too
        decoders.append(weakref.ref(operator._decoder.model))
        living.append(sum(found() is not None for found in decoders))
        return operator

    config = params(**model, states="blocks")
    made = Llm(
        layers=lambda layers: counted(load_encoder(config, layers, device="cpu", batch=8)),
        states=lambda fed: counted(load_states(config, 4, fed, device="cpu", batch=8)),
        tokens=cache(partial(load_tokens, config)),
    )
    try:
        embed(surd(tmp_path / "parts", [*TEXTS, "blue"]), tmp_path / "out", config, SIZES, llm=made, unit=2)
    finally:
        gc.enable()
    assert living == [1, 1, 1, 1]  # all layers, those beside layer 2, states of prompts, states of tokens alone


def test_the_start_token_has_states_where_it_is_asked_for(tmp_path, model):
    run(tmp_path, model, states="blocks")
    out, build = run(tmp_path, model, states="blocks", pool_bos=True)
    assert build.loaded == [(1, 2, 3, 4), "prompt", "token"]  # the start token alone is new
    found = States(out / "states")
    assert found.of("x:000").shape == (4, 5, 16)
    assert found.facts("x:000")["start_token"] == "true"


def test_token_states_of_another_layer_are_computed_without_the_pooled_ones(tmp_path, model):
    run(tmp_path, model, states="tokens")
    out, build = run(tmp_path, model, states="tokens", states_layer=2)
    assert build.loaded == ["prompt"]
    assert States(out / "states").facts("x:000")["layer"] == "2"
    assert len(build.encoders[0]._decoder.blocks) == 2


@pytest.mark.parametrize("killed", [6, 12])
def test_token_states_go_on_after_a_kill_and_give_the_same_bytes(tmp_path, model, killed, monkeypatch):
    whole, build = run(tmp_path, model, states="blocks")
    found = contents(whole)
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "other"))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, model, states="blocks", stop_after=killed)
    out, again = run(tmp_path, model, states="blocks")
    assert again.prompts < build.prompts
    assert contents(out) == found


def test_states_of_windows_do_not_look_for_each_other(tmp_path, model, monkeypatch):
    together = States(run(tmp_path, model, states="tokens")[0] / "states")
    expected = [together.of(f"x:{number:03d}").copy() for number in range(len(TEXTS))]
    monkeypatch.setattr(prompt_windows, "SHARDS_A_WINDOW", 1)
    apart = States(run(tmp_path, model, states="tokens")[0] / "states")
    for number, values in enumerate(expected):
        np.testing.assert_array_equal(apart.of(f"x:{number:03d}"), values)


def test_states_for_which_there_is_no_room_are_refused_before_any_work(tmp_path, model, monkeypatch, capsys):
    run(tmp_path, model)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 500}))
    with pytest.raises(
        StorageError, match=r"llm.states tokens needs 0.0 GB on the disk of .* free some space, or take"
    ):
        run(tmp_path, model, states="tokens")
    assert "states of 14 tokens take 0.000 GB" in capsys.readouterr().err


def test_training_is_told_which_setting_caches_another_layer(tmp_path, model):
    out, _ = run(tmp_path, model, layer=2, layers=[2])
    with pytest.raises(InputError, match=r"layer_3.parquet is missing: layer 3 is not cached, extend llm.layers"):
        llm.load_layer(out / "layers" / "layer_3.parquet", ["x:000"])


def settings(tmp_path, monkeypatch, **changes):
    monkeypatch.chdir(tmp_path)
    compute = {"engine": "local", "device": "cpu", "threads": 1, "download_workers": 1, "caption_batch": 1}
    compute["ray"] = {"address": None, "actors": 1, "cpus_per_actor": 1, "gpus_per_actor": 0}
    compute["llm_device_map"] = None
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
