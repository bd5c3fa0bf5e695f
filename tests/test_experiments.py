"""What ``dvc repro`` and ``dvc exp run`` really run, shown on the real dvc.yaml with quick stand-ins for the commands.

Only ``check`` is the real stage. A stand-in writes every output of its stage with the settings that the stage lists,
so that an output changes exactly when the stage's own settings change.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.closure import ROOT

STAND_IN = """
import sys
import zlib
from pathlib import Path
from ruamel.yaml import YAML

name, _, source = sys.argv[1].partition("@")
yaml = YAML(typ="safe")
stage = yaml.load(Path("dvc.yaml").read_text())["stages"][name]
params = yaml.load(Path("params.yaml").read_text())
text = name
for param in stage.get("params", []):
    value = params
    for key in param.replace("${item.source}", source).split("."):
        value = value[key]
    text += f" {param}={value}"
for dep in stage["deps"]:
    if dep.startswith("data/train/"):
        text += "".join(path.read_text() for path in sorted(Path(dep).rglob("*")) if path.is_file())
    if dep.startswith("data/sample/") and Path(dep).is_file() or dep.endswith("statistics.json"):
        text += Path(dep).read_text()
for kind in ("outs", "metrics"):
    for out in stage.get(kind, []):
        out = out if isinstance(out, str) else next(iter(out))
        path = Path(out.replace("${item.source}", source))
        files, number = [path], zlib.crc32(text.encode())
        if path.name == "layers":
            files = [path / f"layer_{layer}.parquet" for layer in range(1, 41)]
        elif path.name == "log":
            files = [path / "plots/metrics/val/denoising.tsv"]
        elif path.name == "plots":
            files = [path / "differences.png"]
        elif not path.suffix:
            files = [path / "part"]
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            known = {".tsv": f"step\\tdenoising\\n50\\t{number}\\n", ".json": f'{{"number": {number}}}'}
            file.write_text(known.get(file.suffix, text) if kind == "metrics" or file.suffix == ".tsv" else text)
"""


def run(*command, cwd):
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DVC_NO_ANALYTICS": "1",
    }
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240, check=False)


def ran(result):
    """Names of the stages that really ran, the matrix's instances joined."""
    return {name.split("@")[0] for name in re.findall(r"Running stage '([^']+)'", result.stdout + result.stderr)}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A git and DVC repository with this project's wiring, run once."""
    root = tmp_path_factory.mktemp("project")
    for name in ("pipeline", "stages", "miniature", "prompts", "reviews", "docs/studies"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "takedown.txt", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, root / name)
    (root / "stand_in.py").write_text(STAND_IN)
    yaml = YAML()
    wiring = yaml.load((ROOT / "dvc.yaml").read_text())
    for name, stage in wiring["stages"].items():
        if name != "check":
            item = "@${item.source}" if "matrix" in stage else ""
            stage["cmd"] = f"python stand_in.py {name}{item}"
    yaml.dump(wiring, root / "dvc.yaml")
    for command in (
        ("git", "init", "-q"),
        ("git", "config", "user.name", "Test"),
        ("git", "config", "user.email", "test@example.org"),
        ("dvc", "init", "-q"),
        ("dvc", "config", "core.autostage", "true"),
        ("dvc", "repro"),
        ("git", "add", "."),
        ("git", "commit", "-qm", "first"),
    ):
        result = run(*command, cwd=root)
        assert result.returncode == 0, result.stdout + result.stderr
    return root


def test_an_unchanged_project_runs_nothing(repository):
    result = run("dvc", "repro", cwd=repository)
    assert ran(result) == set()
    assert "up to date" in result.stdout


def test_another_layer_runs_training_and_what_follows_alone(repository):
    result = run("dvc", "exp", "run", "-S", "llm.layer=40", cwd=repository)
    assert result.returncode == 0, result.stdout + result.stderr
    assert ran(result) == {"check", "train", "sample", "evaluate", "report"}
    assert "layer=40" not in (repository / "data/embed/layers/layer_40.parquet").read_text()


def test_another_layers_figures_and_plots_stand_beside_those_of_the_commit(repository, tmp_path):
    assert run("dvc", "exp", "run", "-S", "llm.layer=40", cwd=repository).returncode == 0
    compared = run("dvc", "metrics", "diff", "HEAD", "--json", cwd=repository)
    assert compared.returncode == 0, compared.stderr
    changed = json.loads(compared.stdout)
    assert changed["data/evaluate/metrics.json"]["number"]["diff"] != 0
    assert "data/embed/report.json" not in changed
    shown = run("dvc", "plots", "show", "--out", str(tmp_path), cwd=repository)
    assert shown.returncode == 0, shown.stderr
    page = (tmp_path / "index.html").read_text()
    for name in ("denoising.tsv", "samples.png", "grids.png", "scores.png", "norms.png", "differences.png"):
        assert name in page, name


def test_a_layer_beyond_the_model_stops_in_the_check_and_loses_nothing(repository):
    run("git", "checkout", "-q", "params.yaml", cwd=repository)
    before = sorted(path for path in (repository / "data").rglob("*") if path.is_file())
    result = run("dvc", "exp", "run", "-S", "llm.layer=41", cwd=repository)
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert result.returncode != 0
    assert ran(result) == {"check"}
    assert len(lines) == 1
    assert "llm.layer must be 1 to 40" in lines[0]
    assert "got 41 (params.yaml, line " in lines[0]
    assert "git checkout params.yaml" in lines[0]
    assert sorted(path for path in (repository / "data").rglob("*") if path.is_file()) == before
    run("git", "checkout", "-q", "params.yaml", cwd=repository)
    assert run("dvc", "repro", cwd=repository).returncode == 0


def test_experiments_stand_beside_each_other(repository):
    shown = run("dvc", "exp", "show", "--only-changed", "--csv", cwd=repository)
    assert shown.returncode == 0
    assert "llm.layer" in shown.stdout.splitlines()[0]
