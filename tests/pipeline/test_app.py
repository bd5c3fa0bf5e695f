import shutil
from pathlib import Path

import pytest
from PIL import Image

from pipeline import app, checking, doctor, generate_command, settings
from pipeline.adapters import folder
from pipeline.engine import ComputeParams
from pipeline.files import write_json
from pipeline.generating import Generator
from pipeline.methods import building
from pipeline.params import load, load_all
from pipeline.sample_settings import SampleParams
from pipeline.vae import DiffusionParams
from tests.closure import ROOT
from tests.pipeline import tiny_models
from tests.pipeline.adapters import official_file
from tests.pipeline.methods import tiny_controlnet
from tests.stages.test_sample import write_adapter


def run(*arguments):
    with pytest.raises(SystemExit) as caught:
        app.main(arguments)
    return caught.value.code


def test_show_prints_a_stage_and_a_missing_one_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "data/clean/report.json", {"in": 3})
    assert run("show", "clean") == 0
    assert "in = 3" in capsys.readouterr().out
    assert run("show", "clean", "x") == 1
    assert run("show", "nothing") == 1
    assert capsys.readouterr().err.count("error: ") == 2


def test_show_draws_and_refuses_options_that_mean_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "data/clean/report.json", {"in": 3})
    asked = []
    monkeypatch.setattr(app.pictures, "draw", lambda *given, **options: asked.append((given, options)) or ["drawn: x"])
    assert run("show", "clean", "--count", "3", "--seed", "1") == 0
    assert asked == [(("clean", tmp_path / "work" / "show" / "clean"), {"count": 3, "seed": 1})]
    assert capsys.readouterr().out.endswith("drawn: x\n")
    assert run("show", "clean", "lexica:1", "--seed", "1") == 1
    assert "--seed for contact sheets alone" in capsys.readouterr().err


def test_work_is_listed_and_cleaned(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "work/caption/0123/settings.json", {"beams": 3})
    assert run("work") == 0
    assert "caption/0123" in capsys.readouterr().out
    assert run("work", "--clean", "caption/01", "--older-than", "0.5") == 0
    assert run("work", "--clean", "caption/01", "--dry-run") == 0
    assert "would go: caption/0123" in capsys.readouterr().out
    assert run("work", "--clean", "caption") == 0
    assert not (tmp_path / "work/caption/0123").exists()
    assert run("work", "--dry-run") == 1
    assert run("work", "--older-than", "soon") == 2
    assert run("work", "--older-than", "-1") == 2
    assert "--dry-run goes with" in capsys.readouterr().err


def test_nothing_is_cleaned_while_dvc_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "work/caption/0123/settings.json", {"beams": 3})
    monkeypatch.setattr(app.caches, "running", lambda _: ["dvc repro"])
    assert run("work", "--clean", "caption") == 1
    assert "DVC is running (dvc repro)" in capsys.readouterr().err
    assert run("work", "--clean", "caption", "--dry-run") == 0


def test_takedown_is_asked_with_its_entry_and_tells_a_mistake_in_one_line(tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(app, "takedown", lambda sample, *, dry_run: asked.append((sample, dry_run)))
    assert run("takedown", "lexica:1") == 0
    assert run("takedown", "lexica:1", "--dry-run") == 0
    assert asked == [("lexica:1", False), ("lexica:1", True)]
    monkeypatch.undo()
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    assert run("takedown", "nonsense") == 1
    assert "is no sample id" in capsys.readouterr().err


def test_doctor_fails_when_something_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(checking, "examine", lambda _: [])
    for good, code in ((True, 0), (False, 1)):
        found = [doctor.Finding("disk", good, "5 GB free")]
        monkeypatch.setattr(doctor, "examine", lambda check, found=found: check() or found)
        assert run("doctor") == code
    assert "BAD  disk" in capsys.readouterr().out


def miniature_like(tmp_path, monkeypatch, **sample):
    """The settings in force with the tiny model and an adapter for it."""
    monkeypatch.chdir(tmp_path)
    write_adapter(tmp_path / "data/train/adapter")
    tiny_models.write_params(tmp_path / "params.yaml", sample={"steps": 2, **sample})


def test_generate_writes_both_arms_side_by_side(tmp_path, monkeypatch):
    miniature_like(tmp_path, monkeypatch)
    assert run("generate", "two discs", "--seed", "1", "--eta", "0") == 0
    with Image.open(tmp_path / "generated.png") as sheet:
        base, adapted = (sheet.crop((left, 8, left + 256, 264)) for left in (8, 272))
    assert base.tobytes() == adapted.tobytes()
    assert len(base.getcolors(1 << 16)) > 1


def test_generate_draws_several_seeds(tmp_path, monkeypatch):
    miniature_like(tmp_path, monkeypatch)
    assert run("generate", "two discs", "--images", "3", "--out", "three.png") == 0
    with Image.open(tmp_path / "three.png") as sheet:
        rows = {sheet.crop((8, upper, 264, upper + 256)).tobytes() for upper in (8, 328, 648)}
    assert len(rows) == 3


def test_generate_takes_a_method_and_shows_what_its_controlnet_saw(tmp_path, monkeypatch):
    nets = {"canny": tiny_controlnet.canny(), "seg": tiny_controlnet.seg("prompts/seg")}
    miniature_like(tmp_path, monkeypatch, controlnets=nets)
    Image.new("RGB", (16, 16), "lime").save("given.png")
    assert run("generate", "two", "--method", "sag") == 0
    assert run("generate", "two", "--method", "canny") == 0
    assert run("generate", "two", "--method", "seg", "--condition", "given.png") == 0
    with Image.open(tmp_path / "generated.png") as sheet:
        assert sheet.width == 3 * 264 + 8
        assert sheet.convert("RGB").getpixel((100, 100)) == (0, 255, 0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--method", "seg"), "method seg needs a conditioning picture: --condition FILE"),
        (("--method", "sag", "--condition", "given.png"), "method sag takes no conditioning picture"),
        (("--method", "seg", "--condition", "missing.png"), "missing.png cannot be read as a picture"),
        (("--method", "canny"), "names canny, which needs a ControlNet"),
    ],
)
def test_generate_says_what_a_method_needs(tmp_path, monkeypatch, capsys, arguments, told):
    miniature_like(tmp_path, monkeypatch, controlnets={"canny": None, "seg": tiny_controlnet.seg("prompts/seg")})
    Image.new("RGB", (16, 16), "lime").save("given.png")
    assert run("generate", "two", *arguments) == 1
    assert told in capsys.readouterr().err


def test_a_controlnet_and_a_schedulers_model_are_loaded_once_for_all_pictures(tmp_path, monkeypatch):
    noise_levels = {"model": str(tiny_models.folder()), "revision": tiny_models.revision()}
    panorama = {"height_px": 16, "width_px": 32, "scheduler_of": noise_levels}
    nets = {"canny": tiny_controlnet.canny(), "seg": None}
    miniature_like(tmp_path, monkeypatch, controlnets=nets, panorama=panorama)
    opened, opening = [], building.opening
    monkeypatch.setattr(building, "opening", lambda model, *rest: opened.append(model) or opening(model, *rest))
    assert run("generate", "two", "--method", "canny", "--images", "2") == 0
    assert run("generate", "two", "--method", "panorama", "--images", "2") == 0
    assert opened == [nets["canny"]["model"], noise_levels["model"]]


@pytest.mark.parametrize("eta", [0.0, 0.5])
def test_a_method_that_was_built_already_still_draws_with_the_eta_that_is_asked_for(tmp_path, monkeypatch, eta):
    nets = {"canny": tiny_controlnet.canny(), "seg": None}
    miniature_like(tmp_path, monkeypatch, controlnets=nets)
    sections = {"sample": SampleParams, "diffusion": DiffusionParams, "compute": ComputeParams}
    drawing = Generator(Path("data/train/adapter"), *(load(each, name) for name, each in sections.items()))
    for method in ("canny", "weighting"):
        drawing.pair("two", 1, eta=1.0, method=method)
        base, adapted, _ = drawing.pair("two", 1, eta=eta, method=method)
        assert (base.tobytes() == adapted.tobytes()) == (eta == 0.0)


@pytest.mark.parametrize(
    ("out", "told"),
    [
        (".", "--out . is a folder: name the picture in it, for instance generated.png"),
        ("params.yaml/new/two.png", "params.yaml is no folder that you may write in"),
        ("locked/two.png", "locked is no folder that you may write in"),
    ],
)
def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_loaded(
    tmp_path, monkeypatch, capsys, out, told
):
    miniature_like(tmp_path, monkeypatch)
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(generate_command.os, "access", lambda folder, _: folder.name != "locked")  # root may all
    monkeypatch.setattr(generate_command, "Generator", None)
    assert run("generate", "two", "--out", out) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --out {out} ")
    assert line.endswith(told)


@pytest.mark.parametrize("seed", [str(2**63), "-1", "x", "1.5"])
def test_a_seed_that_no_noise_begins_with_is_refused(capsys, seed):
    assert run("generate", "two", f"--seed={seed}") == 2
    assert f"must be a whole number from 0 to {2**63 - 1}, got {seed}" in capsys.readouterr().err


def test_generate_without_an_adapter_says_so(tmp_path, monkeypatch, capsys):
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    assert run("generate", "two discs") == 1
    assert "is no adapter folder" in capsys.readouterr().err


def test_an_official_file_becomes_a_folder_that_generate_draws_with(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sha256 = official_file.write(tmp_path / "theirs.pt")
    base = ("--base", str(tiny_models.folder()), "--base-revision", tiny_models.revision())
    assert run("convert-official", "theirs.pt", "out", *base, "--eta", "0.4") == 0
    said = capsys.readouterr().out
    assert "theirs.pt: 48 tensors, " in said
    assert f"adapter for {tiny_models.folder()} at {tiny_models.revision()}, eta 0.4, text states of width 16" in said
    assert sha256 in said
    tiny_models.write_params(tmp_path / "params.yaml")
    assert run("generate", "two discs", "--adapter", "out") == 0
    assert tiny_models.is_picture(tmp_path / "generated.png")


def test_a_conversion_is_for_the_papers_base_model_with_the_authors_eta(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    official_file.write(tmp_path / "theirs.pt")
    assert run("convert-official", "theirs.pt", "out") == 0
    paper = load_all(settings.Settings, ROOT / "profiles/paper.yaml")
    config = folder.read_config(tmp_path / "out")
    assert (config.base.model, config.base.revision) == (paper.diffusion.model, paper.diffusion.revision)
    assert config.adapter.eta == paper.adapter.eta == 0.1


def test_a_conversion_replaces_nothing_and_tells_mistakes_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "theirs.pt").write_bytes(b"text")
    assert run("convert-official", "theirs.pt", "mine") == 1
    assert run("convert-official", "theirs.pt", "out") == 1
    base = str(tiny_models.folder())
    assert run("convert-official", "theirs.pt", "out", "--base", base, "--base-revision", "abc") == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "error: mine exists: name a folder that does not, it would be replaced"
    assert "theirs.pt is no PyTorch file of weights alone" in lines[1]
    assert f"has revision {tiny_models.revision()}, not abc" in lines[2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "theirs.pt"]


def test_an_eta_that_is_no_share_is_refused(capsys):
    assert run("convert-official", "theirs.pt", "out", "--eta", "1.5") == 2
    assert "must be 0 to 1, got 1.5" in capsys.readouterr().err
