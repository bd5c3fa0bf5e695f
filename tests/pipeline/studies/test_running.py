import json
import shutil

import pytest

from pipeline import app
from pipeline.errors import InputError
from pipeline.studies import running, tasks
from pipeline.studies.collecting import CURVE, PROMPTS, STATISTICS, TRAINING
from tests.closure import ROOT
from tests.pipeline.studies.fake_dvc import FakeDvc
from tests.pipeline.studies.made_outcomes import judged, shares

LOSSES = "step\tdenoising\n50\t0.06\n100\t0.05\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "prompts", tmp_path / "prompts")
    (tmp_path / "dvc.yaml").write_text("stages: {train: {cmd: x, deps: [prompts, train.py], outs: [data/adapter]}}\n")
    (tmp_path / "train.py").write_text("first")
    monkeypatch.chdir(tmp_path)
    dvc = FakeDvc(tmp_path / tasks.LOGS, tracked={"train.py": ["train.py"]})
    monkeypatch.setattr(running.state, "require_visible_models", lambda *_: None)
    return tmp_path, dvc


def opened(name):
    """Files of a made-up experiment: rows without the LLM are worse for colours."""
    step = 0.0 if "-complex-" in name or "-neither-" in name else 0.2
    prompts = shares(lambda skill, number: 0.5 + (step if skill == "colour" else 0))
    head = ",".join(prompts[0])
    found = {
        STATISTICS: json.dumps({"accuracy": judged(complex=0.9)}),
        PROMPTS: "\n".join([head, *(",".join(line.values()) for line in prompts)]),
        TRAINING: json.dumps({"validation": {"adapted": 0.05, "base": 0.07, "complex": 0.04}}),
        CURVE: LOSSES,
    }
    return found.__getitem__


def go(dvc, name="ablation", **options):
    running.study(name, run=dvc, open_=opened, pause=lambda _: None, **options)


def test_a_study_ends_as_page_figures_and_chart(project):
    folder, dvc = project
    go(dvc)
    content = json.loads((folder / "docs/studies/ablation.json").read_text())
    assert [row["row"] for row in content["rows"]] == ["both", "llm", "complex", "neither"]
    assert content["sentences"][0].startswith("The LLM loss helps here for colour")
    assert content["sentences"][1].startswith("The complex-prompt loss does not help here")
    assert content["rows"][0]["experiment"] in dvc.finished
    page = (folder / "docs/studies/ablation.md").read_text()
    assert content["sentences"][0] in page
    assert "](ablation.png)" in page
    assert (folder / "docs/studies/ablation.png").is_file()
    assert content["rows"][0]["curve"] == [[50, 0.06], [100, 0.05]]
    assert "](ablation-losses.png)" in page
    assert (folder / "docs/studies/ablation-losses.png").is_file()


def test_a_study_may_be_a_file(project):
    folder, dvc = project
    row = "{key: plain, label: the settings in force, set: {}}"
    (folder / "plain.yaml").write_text(f"title: One row\nrows: [{row}]\n")
    go(dvc, "plain.yaml")
    assert "`sur study plain.yaml` made this page." in (folder / "docs/studies/plain.md").read_text()


def test_a_second_call_runs_nothing_until_something_decisive_changes(project, monkeypatch):
    folder, dvc = project
    for module in (running.charts, running.loss_chart):  # takes a second and is another test's
        monkeypatch.setattr(module, "draw", lambda *_, **__: False)
    go(dvc)
    page = (folder / "docs/studies/ablation.md").read_bytes()
    (folder / "README.md").write_text("new words")
    dvc.said.clear()
    go(dvc)
    assert not any("--queue" in line for line in dvc.said)
    assert (folder / "docs/studies/ablation.md").read_bytes() == page
    (folder / "train.py").write_text("second")
    go(dvc)
    assert sum("--queue" in line for line in dvc.said) == 4
    go(dvc, prompts_per_type=3)
    assert sum("-S sample.limit_per_type=3" in line for line in dvc.said) == 4


def test_failed_rows_are_told_in_one_line_each_and_the_page_shows_the_others(project):
    folder, dvc = project
    dvc.failing = {"-llm-": "error: the loss is not finite"}
    with pytest.raises(InputError) as caught:
        go(dvc, target=folder / "here")
    (line,) = str(caught.value).splitlines()
    assert line.startswith("ablation-llm-")
    assert ": the loss is not finite (its log: dvc queue logs ablation-llm-" in line
    content = json.loads((folder / "here/ablation.json").read_text())
    assert content["without_result"] == {"LLM loss only": "the loss is not finite"}
    assert [pair["present"] for pair in content["contrasts"]] == ["both", "complex"]


def test_where_every_row_fails_there_is_no_page(project):
    folder, dvc = project
    dvc.failing = {"ablation": "error: no"}
    with pytest.raises(InputError):
        go(dvc)
    assert not (folder / "docs").exists()


def test_without_verdicts_there_is_a_page_but_no_chart(project, monkeypatch):
    folder, dvc = project
    files = {STATISTICS: "{}", PROMPTS: "prompt_id,type,source,text,base\n", TRAINING: "{}"}
    monkeypatch.setitem(globals(), "opened", lambda name: files.__getitem__)
    go(dvc, "seeds")
    assert "](" not in (folder / "docs/studies/seeds.md").read_text()
    assert list((folder / "docs/studies").glob("*.png")) == []


def test_the_command_hands_its_options_on(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(running, "study", lambda *arguments, **options: asked.append((arguments, options)))
    given = ["study", "layers", "--jobs", "2", "--prompts", "3", "--again", "--out", str(tmp_path)]
    for arguments in (given, ["study", "seeds"]):
        with pytest.raises(SystemExit) as caught:
            app.main(arguments)
        assert caught.value.code == 0
    assert asked == [
        (("layers", tmp_path), {"prompts_per_type": 3, "jobs": 2, "again": True}),
        (("seeds", running.FOLDER), {"prompts_per_type": None, "jobs": 1, "again": False}),
    ]


@pytest.mark.parametrize("arguments", [["nothing"], ["seeds", "--jobs", "0"], ["seeds", "--prompts", "few"]])
def test_the_command_refuses_what_makes_no_sense(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        app.main(["study", *arguments])
    assert caught.value.code == 2


def test_a_choice_runs_until_the_training_and_reads_nothing_else(project, monkeypatch):
    folder, dvc = project
    losses = {"adapted": 0.05, "base": 0.07, "complex": 0.04}
    files = {TRAINING: json.dumps({"validation": losses}), CURVE: LOSSES}
    monkeypatch.setitem(globals(), "opened", lambda name: files.__getitem__)
    go(dvc, "choice")
    queued = [line for line in dvc.said if "--queue" in line]
    assert queued
    assert all(line.endswith(" train") for line in queued)
    content = json.loads((folder / "docs/studies/choice.json").read_text())
    assert [row["closed"] for row in content["rows"]] == pytest.approx([2 / 3] * len(queued), abs=1e-6)
    assert len(content["rows"]) == len(queued)
    assert "](choice.png)" in (folder / "docs/studies/choice.md").read_text()
    assert (folder / "docs/studies/choice.png").is_file()
    assert content["rows"][0]["curve"] == [[50, 0.06], [100, 0.05]]
    assert "](choice-losses.png)" in (folder / "docs/studies/choice.md").read_text()
    assert (folder / "docs/studies/choice-losses.png").is_file()
