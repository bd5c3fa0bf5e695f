"""A study's rows through the real DVC, in a small project of its own whose one stage is a quick stand-in."""

import json
import os
import subprocess
import time

import pytest

from pipeline.studies import commands
from pipeline.studies.collecting import collect, open_experiment
from pipeline.studies.queueing import Experiment, complete
from pipeline.studies.tasks import Queue
from tests.pipeline.studies.made_outcomes import RUN, row

STAND_IN = """
import json, sys
from pathlib import Path

weight = json.loads(Path("params.yaml").read_text().split("llm_weight:")[1].split()[0])
if weight < 0:
    sys.exit("error: loss.llm_weight is below 0")
Path("data/evaluate").mkdir(parents=True, exist_ok=True)
curve = Path("data/train/log/plots/metrics/val/denoising.tsv")
curve.parent.mkdir(parents=True, exist_ok=True)
curve.write_text("step\\tdenoising\\n50\\t0.5\\n")
Path("data/evaluate/statistics.json").write_text(json.dumps({"accuracy": {"all": {"base": weight}}}))
Path("data/evaluate/prompts.csv").write_text("prompt_id,type,adapted\\na-1,action,0.5\\n")
Path("data/train/report.json").write_text('{"validation": {"adapted": 0.5}}')
"""
WIRING = """
stages:
  evaluate:
    cmd: python stand_in.py
    deps: [stand_in.py]
    params: [loss]
    outs: [data/evaluate/statistics.json, data/evaluate/prompts.csv, data/train/log]
    metrics: [{data/train/report.json: {cache: false}}]
"""
GOOD, BAD = (
    Experiment(f"ablation-{name}-1", {"loss.llm_weight": weight}) for name, weight in (("a", 0.25), ("b", -1.0))
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A committed project with an edit that is not committed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    (tmp_path / "stand_in.py").write_text("raise SystemExit('error: the edit is not seen')\n")
    (tmp_path / "dvc.yaml").write_text(WIRING)
    (tmp_path / "params.yaml").write_text("loss:\n  llm_weight: 0.5\n")
    for command in (
        "git init -q",
        "git config user.name Test",
        "git config user.email test@example.org",
        "dvc init -q",
        "git add .",
        "git commit -qm first",
    ):
        answer = commands.run(command.split())
        assert answer.code == 0, answer
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    yield tmp_path
    if workers(tmp_path):
        commands.run(["dvc", "queue", "stop", "--kill"])


def workers(folder):
    """Processes of DVC's that still run for this folder."""
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    notes = (folder / ".dvc/tmp/exps/celery").glob("dvc-exp-worker-*.json")
    pids = [json.loads(note.read_text())["pid"] for note in notes]
    return [line for line in running.splitlines() if str(folder) in line] + [pid for pid in pids if alive(pid)]


def alive(pid):
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


@pytest.mark.timeout(
    900
)  # twenty seconds, but some twenty commands of DVC's, which wait for their turn on a busy machine
def test_rows_run_in_dvcs_queue_and_leave_the_workspace_as_it_was(project):
    before = commands.run(["git", "status", "--porcelain"]).out
    failed = complete([BAD, GOOD], Queue(commands.run), pause=lambda _: time.sleep(2))
    assert failed == {BAD.name: "loss.llm_weight is below 0"}
    assert commands.run(["git", "status", "--porcelain"]).out == before == " M stand_in.py\n"
    assert (project / "params.yaml").read_text() == "loss:\n  llm_weight: 0.5\n"
    assert (project / "stand_in.py").read_text() == STAND_IN
    assert not (project / "data").exists()

    (found,) = collect(row(), GOOD.name, open_experiment, RUN)
    assert found.accuracy["all"]["base"] == 0.25
    assert found.prompts == [{"prompt_id": "a-1", "type": "action", "adapted": "0.5"}]
    assert found.validation == {"adapted": 0.5}
    assert found.curve == [(50, 0.5)]

    deadline = time.monotonic() + 60
    while workers(project) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert workers(project) == []
    said = []
    assert complete([GOOD], Queue(lambda command: said.append(command) or commands.run(command))) == {}
    assert len(said) == 1
