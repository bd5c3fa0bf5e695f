import json

import pytest
from PIL import Image

from bench.real_run import pictures, profile, workplace
from pipeline import grouping, prompts
from pipeline.errors import InputError
from pipeline.files import read_json

MODELS = {name: (f"/models/{name}", f"{name:0<16}") for name in profile.SECTIONS.values()}


@pytest.fixture
def copy(tmp_path):
    return workplace.prepared(tmp_path / "copy", MODELS, tmp_path / "pictures", side_px=512)


def test_the_copy_has_the_code_and_settings_of_its_own_and_no_results(copy):
    for name in (
        "dvc.yaml",
        "takedown.txt",
        "stages/train.py",
        "pipeline/training.py",
        "miniature/models/blip/REVISION",
    ):
        assert (copy / name).read_bytes() == (workplace.ROOT / name).read_bytes()
    assert "/models/llama" in (copy / "params.yaml").read_text()
    assert "no_scm = true" in (copy / ".dvc/config.local").read_text()
    for name in ("data", "dvc.lock", "tests", "bench"):
        assert not (copy / name).exists()
    assert sorted(path.name for path in (copy / "reviews/triplets").iterdir()) == [".gitkeep", "README.md"]


def test_two_prompts_are_asked_for_each_of_another_type(copy):
    found = prompts.read([copy / profile.PROMPTS])
    assert len(found) == 2
    assert len({prompt.type for prompt in found}) == 2


def test_the_same_files_and_settings_go_on_and_others_begin_anew(copy, tmp_path):
    (copy / "measured.json").write_text("{}")
    workplace.prepared(copy, MODELS, tmp_path / "pictures", side_px=512)
    assert (copy / "measured.json").exists()
    workplace.prepared(copy, {**MODELS, "llama": ("/other", "0" * 16)}, tmp_path / "pictures", side_px=512)
    assert not (copy / "measured.json").exists()


def test_eight_pictures_are_drawn_with_prompts_of_their_own(copy, tmp_path):
    rows = [json.loads(line) for line in (tmp_path / "pictures/metadata.jsonl").read_text().splitlines()]
    assert len({row["prompt"] for row in rows}) == 8
    for row in rows:
        with Image.open(tmp_path / "pictures" / row["file_name"]) as picture:
            assert picture.size == (512, 512)
    first = {path.name: path.read_bytes() for path in (tmp_path / "pictures").iterdir()}
    pictures.write(tmp_path / "again")
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == first


def test_one_picture_is_for_validation_and_seven_for_training(copy, tmp_path):
    rows = [json.loads(line) for line in (tmp_path / "pictures/metadata.jsonl").read_text().splitlines()]
    shares = {"seed": 0, "val_share": 0.1, "test_share": 0.05}  # of profiles/paper.yaml
    splits = [grouping.split_of(f"drawn:{row['file_name']}", **shares) for row in rows]
    assert (splits.count("train"), splits.count("val")) == (7, 1)


def test_outside_a_git_checkout_one_line_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(workplace, "ROOT", tmp_path)
    with pytest.raises(InputError, match="is no git checkout"):
        workplace.tracked()


def test_the_state_names_params_and_files(copy):
    assert len(read_json(copy / workplace.STATE)) == 16
