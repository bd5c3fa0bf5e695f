import json
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from pipeline import training_inputs, vae
from pipeline.adapters import folder
from pipeline.adapters.folder import LlmNamed, Named, StatesNamed
from pipeline.adapters.llm4gen import CrossAdapter
from pipeline.adapters.settings import AdapterParams, OfficialCheckpoint
from pipeline.errors import InputError, ModelError
from pipeline.llm import LlmShape
from pipeline.training_inputs import Vectors
from stages import latents as latents_stage
from stages import train as stage
from tests.pipeline import tiny_models
from tests.pipeline.adapters import official_file
from tests.pipeline.adapters.test_sur import BASE as ADAPTER
from tests.pipeline.frozen_models import llm_params
from tests.pipeline.training_setup import process, recipe
from tests.stages.test_latents import config as diffusion_config

LLM = LlmNamed(model="llama", revision="ff", layer=3)
CLIP = Named(model="clip", revision="00")


def base():
    return Named(model=str(tiny_models.folder()), revision=tiny_models.revision())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def write_data(root):
    """What the stages before leave."""
    ids = tiny_models.write_pictures(root / "data/resize/parts")
    tiny_models.write_layer(root / "data/embed/layers/layer_3.parquet", ids)
    codec = vae.load_codec(str(tiny_models.folder()), tiny_models.revision(), device="cpu", dtype=torch.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUR_WORK", str(root / "work"))
        latents_stage.latents(
            root / "data/resize/parts", root / "data/latents", diffusion_config(), codec=lambda: codec, batch=4
        )
    return root / "data"


def darkness(pictures, texts):
    """Stands for CLIP: any pure function of pictures and texts."""
    return sum(255 - sum(picture.resize((1, 1)).getpixel((0, 0))) / 3 for picture in pictures) / len(texts)


def run(data, target, chosen=None, *, layer="layer_3.parquet", accelerator=None, language=LLM):
    stage.train(
        data / "resize/parts",
        data / "latents/parts",
        Vectors(data / "embed/layers" / layer, data / "embed/states"),
        target,
        chosen or recipe(steps=3),
        base=base(),
        language=language,
        model=tiny_models.load(),
        accelerator=accelerator or process(),
        micro_batch=4,
        clip=CLIP,
        similarity=darkness,
    )


def contents(folder_):
    return {path.relative_to(folder_).as_posix(): path.read_bytes() for path in folder_.rglob("*") if path.is_file()}


def test_a_training_leaves_adapter_log_report_and_pictures(data, tmp_path):
    run(data, tmp_path)
    adapter = folder.load(tmp_path / "adapter", base=base(), width=tiny_models.WIDTH)
    assert adapter.llm_width == tiny_models.LLM_WIDTH
    config = folder.read_config(tmp_path / "adapter")
    assert (config.steps, config.llm.layer, config.base) == (3, 3, base())
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["in"], report["out"], report["steps"], report["validation_samples"]) == (13, 10, 3, 3)
    assert report["parameters"]["trained"] > report["parameters"]["frozen"] > 0
    assert set(report["validation"]) == {"adapted", "base", "complex"}
    assert set(report["last_steps"]) >= {"total", "denoising", "llm", "llm_weighted", "gradient_norm"}
    assert (tmp_path / "log/plots/metrics/train/total.tsv").read_text().count("\n") == 4
    assert tiny_models.is_picture(tmp_path / "samples.png")


def test_a_killed_training_goes_on_and_leaves_the_same_bytes(data, tmp_path, monkeypatch):
    chosen = recipe(steps=5, sample_prompts=0)
    run(data, tmp_path / "whole", chosen)
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "other-work"))
    with monkeypatch.context() as patch:
        patch.setattr(stage, "live_log", lambda path: failing_log(3))
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "killed", chosen)
    assert len(list((tmp_path / "other-work/train").glob("*/step-000002"))) == 1
    run(data, tmp_path / "killed", chosen)
    assert contents(tmp_path / "whole") == contents(tmp_path / "killed")


def failing_log(step):
    import contextlib

    def report(now, figures):
        if now == step:
            raise KeyboardInterrupt

    return contextlib.nullcontext(report)


def test_grids_are_drawn_measured_and_after_a_kill_all_there(data, tmp_path, monkeypatch):
    chosen = recipe(steps=5, sample_prompts=1, sample_every=2, keep="best", metric="val/clip_score", ema_decay=0.5)
    run(data, tmp_path / "whole", chosen)
    images = tmp_path / "whole/log/images"
    assert sorted(path.name for path in images.iterdir()) == [f"step_00000{step}.png" for step in (2, 4, 5)]
    assert (tmp_path / "whole/log/plots/metrics/val/clip_score.tsv").read_text().count("\n") == 4
    report = json.loads((tmp_path / "whole/report.json").read_text())
    assert report["weights"]["kind"] == "moving_average"
    assert folder.read_config(tmp_path / "whole/adapter").steps == report["weights"]["of_step"]
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "other-work"))
    with monkeypatch.context() as patch:
        patch.setattr(stage, "live_log", lambda path: failing_log(3))
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "killed", chosen)
    (tmp_path / "killed/log/images/step_000002.png").unlink()  # as DVC does before it starts a stage again
    run(data, tmp_path / "killed", chosen)
    assert contents(tmp_path / "whole") == contents(tmp_path / "killed")
    run(data, tmp_path / "again", chosen)
    assert contents(tmp_path / "whole") == contents(tmp_path / "again")


def test_encoding_live_trains_the_same_but_for_the_caches_number_format(data, tmp_path):
    run(data, tmp_path / "cached", recipe(steps=3, sample_prompts=0))
    run(data, tmp_path / "live", recipe(steps=3, sample_prompts=0, cache_latents=False))
    one, other = (json.loads((tmp_path / name / "report.json").read_text()) for name in ("cached", "live"))
    assert one["last_steps"]["denoising"] == pytest.approx(other["last_steps"]["denoising"], rel=1e-3)
    assert one["last_steps"] != other["last_steps"]
    assert one["validation"]["base"] == pytest.approx(other["validation"]["base"], rel=1e-3)


def test_no_clock_reaches_what_dvc_keeps(data, tmp_path, capsys):
    run(data, tmp_path, recipe(steps=2, sample_prompts=0))
    assert "images/s, loading" in capsys.readouterr().err
    written = b"".join(contents(tmp_path).values())
    assert b"images_per_s" not in written
    assert b"loading" not in written


def test_another_layer_is_another_run(data, tmp_path):
    ids = [f"test:{row:03d}" for row in range(13)]
    tiny_models.write_layer(data / "embed/layers/layer_4.parquet", ids, seed=1)
    one, other = tmp_path / "one", tmp_path / "other"
    chosen = recipe(steps=2, sample_prompts=0, loss={"llm_weight": 1.0})
    run(data, one, chosen)
    run(data, other, chosen, layer="layer_4.parquet")
    first, second = (load_file(path / "adapter" / folder.WEIGHTS) for path in (one, other))
    assert not torch.equal(first["query.weight"], second["query.weight"])
    assert torch.equal(first["projection"], second["projection"])


def test_a_layer_that_was_not_cached_is_told(data, tmp_path):
    with pytest.raises(InputError, match="layer_9"):
        run(data, tmp_path, layer="layer_9.parquet")


def test_other_processes_than_the_main_one_write_nothing(data, tmp_path):
    made = process()
    running = SimpleNamespace(is_main_process=False)
    with stage._log(tmp_path / "log", tmp_path / "run", running) as report:
        report(1, {"train/total": 1.0})
    assert made.is_main_process
    assert not list(tmp_path.iterdir())


def test_the_stage_runs_with_the_settings_in_force(data, tmp_path, monkeypatch):
    (tmp_path / "data").symlink_to(data)
    monkeypatch.chdir(tmp_path)
    tiny_models.write_params(tmp_path / "params.yaml")
    process()
    monkeypatch.setattr(stage, "TARGET", tmp_path / "train")
    stage.main()
    assert (tmp_path / "train/adapter/adapter.safetensors").is_file()


def test_each_kind_leaves_a_folder_of_its_own_and_the_same_bytes_after_a_kill(data, tmp_path, monkeypatch):
    states = data / "embed/states"
    ids = [f"test:{row:03d}" for row in range(13)]
    tiny_models.write_states(states, ids)
    language = StatesNamed(
        **LLM.model_dump(), dtype="float32", quantisation="none", store_dtype="float32", pool_bos=False
    )
    chosen = recipe({"kind": "llm4gen"}, steps=3, unet="cross_attention", sample_prompts=1)
    options = {"language": language}
    run(data, tmp_path / "whole", chosen, **options)
    config = folder.read_config(tmp_path / "whole/adapter")
    assert (config.llm, config.llm_width, config.unet.parts) == (language, tiny_models.LLM_WIDTH, "cross_attention")
    assert isinstance(folder.load(tmp_path / "whole/adapter", base=base(), width=tiny_models.WIDTH), CrossAdapter)
    report = json.loads((tmp_path / "whole/report.json").read_text())
    assert report["parameters"]["by_part"]["unet"] > 0
    assert not {"llm", "alignment"} & set(report["last_steps"])
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "other-work"))
    with monkeypatch.context() as patch:
        patch.setattr(stage, "live_log", lambda path: failing_log(3))
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "killed", chosen, **options)
    run(data, tmp_path / "killed", chosen, **options)
    assert contents(tmp_path / "whole") == contents(tmp_path / "killed")


def test_a_control_names_no_llm(data, tmp_path):
    chosen = recipe({"kind": "none"}, steps=1, unet="full", ema_decay=0.5, sample_prompts=0)
    language = training_inputs.language(chosen.adapter, llm_params())
    run(data, tmp_path, chosen, language=language)
    config = folder.read_config(tmp_path / "adapter")
    assert (config.llm, config.llm_scale, config.moving_average) == (None, None, True)
    unet = tiny_models.load().unet
    assert folder.load_unet(tmp_path / "adapter", unet).keys() == dict(unet.named_parameters()).keys()


def test_the_layer_of_the_states_is_what_an_adapter_of_kind_llm4gen_names(data, tmp_path, monkeypatch):
    chosen = AdapterParams(**{**ADAPTER, "kind": "llm4gen"})
    vectors = llm_params(layer=1, states="tokens", states_layer="last")
    monkeypatch.setattr(training_inputs.llm, "shape", lambda *_: LlmShape(7, 12))
    assert training_inputs.language(chosen, vectors).layer == 7
    monkeypatch.setattr(training_inputs.llm, "shape", lambda *_: None)
    with pytest.raises(ModelError, match=r"its config\.json cannot be reached from here"):
        training_inputs.language(chosen, vectors)


def convert(data, target, source, sha256, **changes):
    chosen = OfficialCheckpoint(path=str(source), sha256=sha256)
    stage.convert(
        data / "resize/parts",
        target,
        chosen,
        0.2,
        **{"base": base(), "model": tiny_models.load(), "shown": 2, **changes},
    )


def test_the_authors_weights_take_the_place_of_a_training(data, tmp_path):
    sha256 = official_file.write(tmp_path / "theirs.pt")
    convert(data, tmp_path / "train", tmp_path / "theirs.pt", sha256)
    adapter = folder.load(tmp_path / "train/adapter", base=base(), width=tiny_models.WIDTH)
    assert torch.equal(adapter.g.weight, official_file.state()["fc.weight"])
    assert adapter.config.eta == 0.2
    report = json.loads((tmp_path / "train/report.json").read_text())
    assert (report["steps"], report["official_sha256"]) == (0, sha256)
    assert report["parameters"]["read"] > report["parameters"]["left_out"] > 0
    assert (tmp_path / "train/log").is_dir()
    assert not list((tmp_path / "train/log").rglob("*.tsv"))
    assert tiny_models.is_picture(tmp_path / "train/samples.png")
    convert(data, tmp_path / "again", tmp_path / "theirs.pt", sha256)
    assert contents(tmp_path / "train") == contents(tmp_path / "again")


def test_the_authors_weights_for_another_width_are_one_line(data, tmp_path):
    sha256 = official_file.write(tmp_path / "theirs.pt", official_file.state(width=24))
    with pytest.raises(ModelError, match="takes text states of width 24, the model gives 16"):
        convert(data, tmp_path / "train", tmp_path / "theirs.pt", sha256)


def test_the_stage_converts_where_the_settings_ask_for_it(data, tmp_path, monkeypatch):
    (tmp_path / "data").symlink_to(data)
    monkeypatch.chdir(tmp_path)
    chosen = {"path": "theirs.pt", "sha256": official_file.write(tmp_path / "theirs.pt")}
    tiny_models.write_params(
        tmp_path / "params.yaml", adapter={"compat": "official", "official_checkpoint": chosen, "heads": 8}
    )
    process()
    monkeypatch.setattr(stage, "TARGET", tmp_path / "train")
    monkeypatch.setattr(stage, "train", None)
    stage.main()
    assert folder.read_config(tmp_path / "train/adapter").official_sha256 == chosen["sha256"]
    running = SimpleNamespace(is_main_process=False, device="cpu")
    monkeypatch.setattr(stage, "accelerator", lambda *_: running)
    monkeypatch.setattr(stage, "TARGET", tmp_path / "other")
    stage.main()
    assert not (tmp_path / "other").exists()
