import numpy as np
import pytest
import torch
from PIL import Image

from pipeline import training_samples
from pipeline.training_samples import Grids, clip_similarity, draw, write_sheet
from tests.pipeline import tiny_models
from tests.pipeline.frozen_models import clip_params
from tests.pipeline.training_setup import recipe, silent, trainer


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    made = trainer(tmp_path_factory.mktemp("run"))
    torch.nn.init.normal_(made.adapter.g.weight)
    return made


def test_pairs_share_their_noise_and_differ_by_the_adapter_alone(running):
    texts = ["a red square", "a blue square"]
    base, adapted = draw(running.diffusion, running.adapter.eval(), texts)
    again, _ = draw(running.diffusion, running.adapter.eval(), texts[1:])
    assert np.array_equal(base[1], again[0])
    assert not np.array_equal(base[0], adapted[0])


def test_a_grid_is_written_shown_and_measured(running, tmp_path):
    measured = []

    def similarity(pictures, texts):
        measured.append((pictures, texts))
        return 21.5

    grids = Grids(
        running.diffusion, ["a red square"], similarity, kept=tmp_path / "kept", shown=tmp_path / "log/images"
    )
    assert grids(50, running.learned.eval()) == {"val/clip_score": 21.5}
    assert tiny_models.is_picture(tmp_path / "log/images/step_000050.png")
    ((pictures, texts),) = measured
    assert texts == ["a red square"]
    assert np.array_equal(pictures[0], draw(running.diffusion, running.adapter, texts)[1][0])


def test_where_the_empty_text_was_learned_it_goes_through_the_adapter_too(running, tmp_path):
    texts, made = ["a red square"], []
    for through in (False, True):
        grids = Grids(
            running.diffusion,
            texts,
            lambda pictures, _: made.append(pictures[0]) or 1.0,
            kept=tmp_path / "kept",
            shown=tmp_path / "shown",
            adapt_negative=through,
        )
        grids(1, running.learned.eval())
    assert not np.array_equal(*made)
    assert np.array_equal(made[1], draw(running.diffusion, running.adapter, texts, adapt_negative=True)[1][0])


def test_grids_of_an_interrupted_run_are_shown_again(running, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/step_000002.png").write_bytes(b"earlier")
    Grids(running.diffusion, [], None, kept=tmp_path / "kept", shown=tmp_path / "shown").show()
    assert (tmp_path / "shown/step_000002.png").read_bytes() == b"earlier"


def test_processes_beside_the_main_one_measure_and_write_nothing(running, tmp_path):
    grids = Grids(running.diffusion, ["a"], lambda *_: 3.0, kept=tmp_path / "a", shown=tmp_path / "b", writes=False)
    assert grids(1, running.learned.eval()) == {"val/clip_score": 3.0}
    assert not list(tmp_path.iterdir())


def test_without_prompts_the_sheet_is_empty_and_there(tmp_path):
    write_sheet(tmp_path / "sheet.png", [], [], [])
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 0


def test_similarity_is_the_mean_cosine_and_loads_its_model_once(monkeypatch):
    made = []

    class Scorer:
        def __init__(self, *arguments):
            made.append(arguments)

        def images(self, pictures):
            return np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)

        def texts(self, texts):
            return np.array([[1.0, 0.0], [0.6, 0.8]], np.float32)

    monkeypatch.setattr(training_samples, "Clip", Scorer)
    config = clip_params(model="m", revision="r")
    similarity = clip_similarity(config, "cpu")
    assert not made
    assert similarity([None, None], ["a", "b"]) == pytest.approx(90.0)
    similarity([None, None], ["a", "b"])
    assert made == [(config, "cpu")]


def test_grids_draw_the_base_arm_by_the_base_models_u_net_while_parts_of_it_are_trained(tmp_path):
    base, _ = draw(tiny_models.load(), None, ["a red square"])
    settings = recipe({"kind": "none"}, unet="cross_attention", steps=2, learning_rate=0.5, warmup_steps=0)
    running = trainer(tmp_path / "run", settings)
    running.run(silent)
    before = {name: value.clone() for name, value in running.learned.unet_values.items()}
    kept = {"kept": tmp_path / "kept", "shown": tmp_path / "shown", "unet_base": running.unet_base}
    ours, adapted = Grids(running.diffusion, ["a red square"], lambda *_: 1.0, **kept).draw(running.learned.eval())
    assert ours[0].tobytes() == base[0].tobytes() != adapted[0].tobytes()
    after = running.learned.unet_values
    assert all(torch.equal(value, after[name]) for name, value in before.items())
