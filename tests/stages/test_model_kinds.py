"""The stages that read the base model, from pictures to pictures, with Stable Diffusion 2 and XL."""

import json

import pytest

from pipeline import tables, training_samples
from pipeline.adapters import folder
from pipeline.generated import GENERATED
from stages import latents, sample, train
from tests.closure import ROOT
from tests.pipeline import model_kinds, tiny_models
from tests.pipeline.training_setup import process


@pytest.fixture(params=model_kinds.KINDS)
def kind(request):
    return request.param


@pytest.fixture
def project(kind, tmp_path, monkeypatch):
    """A project with a data set and LLM vectors, for this kind of base model."""
    (tmp_path / "prompts").symlink_to(ROOT / "prompts")
    ids = tiny_models.write_pictures(tmp_path / "data/resize/parts")
    tiny_models.write_layer(tmp_path / "data/embed/layers/layer_3.parquet", ids)
    named = model_kinds.named(kind).model_dump()
    tiny_models.write_params(tmp_path / "params.yaml", diffusion=named)
    monkeypatch.setenv("SUR_WORK", str(tmp_path / "work"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training_samples, "clip_similarity", lambda *_: lambda pictures, texts: 0.0)
    process()  # Accelerate keeps its state in the process
    return tmp_path


def test_from_latents_to_pictures(kind, project):
    latents.main()
    train.main()
    sample.main()
    report = json.loads((project / "data/latents/report.json").read_text())
    assert (report["out"], report["shape"]) == (13, [8, 8, 8])
    config = folder.read_config(project / "data/train/adapter")
    assert (config.width, config.base) == (model_kinds.WIDTHS[kind], model_kinds.named(kind))
    assert tiny_models.is_picture(project / "data/train/samples.png")
    drawn = [
        row for path in tables.shards(project / "data/sample/parts") for row in tables.read(path, GENERATED).to_pylist()
    ]
    assert {row["arm"] for row in drawn} >= {"base", "adapted"}
    assert tiny_models.is_picture(project / "data/sample/grids.png")


def test_live_encoding_and_grids_while_training(kind, project):
    changes = {"cache_latents": False, "sample_every": 2, "caption_dropout": 0.5, "precision": "bf16"}
    tiny_models.write_params(
        project / "params.yaml",
        diffusion=model_kinds.named(kind).model_dump(),
        train={**changes, "steps": 2, "batch_size": 4},
    )
    process("bf16")
    train.main()
    assert tiny_models.is_picture(project / "data/train/log/images/step_000002.png")
    report = json.loads((project / "data/train/report.json").read_text())
    assert report["steps"] == 2
    assert report["validation"]["adapted"] > 0
