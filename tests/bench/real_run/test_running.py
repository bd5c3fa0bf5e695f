import json
import sys

import pytest

from bench import stages
from bench.real_run import needs, running, shapes
from bench.real_run.running import Cost
from bench.real_run.watching import Watch
from pipeline.errors import InputError, StorageError


@pytest.fixture
def copy(tmp_path):
    (tmp_path / "params.yaml").write_text("sources: {enabled: [drawn]}\n")
    matrix = "scrape: {matrix: {source: x}, cmd: 'python -m stages.scrape ${item.source}'}"
    (tmp_path / "dvc.yaml").write_text(f"stages: {{check: {{cmd: one}}, {matrix}, embed: {{cmd: three}}}}\n")
    return tmp_path


def test_stages_run_in_their_order_and_each_is_noted_at_once(copy):
    noted = []

    def run(name, where):
        noted.append((name, sorted(running._read(copy / running.MEASURED))))
        return Cost(1.0, 2.0, 3.0)

    found = running.run_all(copy, run)
    assert noted == [("check", []), ("scrape@drawn", ["check"]), ("embed", ["check", "scrape@drawn"])]
    assert running.figures(found)["all_cpu_s"] == 6.0


def test_a_killed_run_goes_on_with_the_stage_that_was_cut_off_measured_as_a_whole(copy):
    (copy / ".work/embed/0123").mkdir(parents=True)
    (copy / ".work/caption").mkdir()

    def killed(name, where):
        if name == "embed":
            raise KeyboardInterrupt
        return Cost(1.0, 1.0, 1.0)

    with pytest.raises(KeyboardInterrupt):
        running.run_all(copy, killed)
    assert (copy / ".work/embed").exists()
    asked = []
    running.run_all(copy, lambda name, where: asked.append(name) or Cost(1.0, 1.0, 1.0))
    assert asked == ["embed"]
    assert not (copy / ".work/embed").exists()
    assert (copy / ".work/caption").exists()


def test_figures_have_the_stages_names_and_the_sums():
    found = running.figures({"scrape@drawn": Cost(1.0, 2.0, 0.5), "embed": Cost(4.0, 3.0, 13.5, 12.25)})
    assert found["scrape_wall_s"] == 1.0
    assert found["embed_gpu_peak_gb"] == 12.25
    assert "scrape_gpu_peak_gb" not in found
    assert (found["all_wall_s"], found["all_cpu_s"], found["all_peak_gb"]) == (5.0, 5.0, 13.5)


def test_a_stage_is_measured_apart_and_its_peak_is_its_own(copy):
    held = bytearray(200_000_000)  # a parent's size must not count
    held[::4096] = b"x" * len(held[::4096])
    code = "import os; open('seen', 'w').write(os.environ['TOLD']); sum(range(10**6))"
    environment = {"TOLD": "this", "PATH": ""}
    wall, processor, peak_mb = stages.measure_apart(f'{sys.executable} -S -c "{code}"', copy, environment)
    assert (copy / "seen").read_text() == "this"
    assert processor > 0
    assert wall > 0
    assert 3 < peak_mb < 100


def test_a_stage_that_fails_is_one_line(monkeypatch, copy):
    def failing(command, folder, environment):
        assert "dvc repro --single-item embed" in command
        assert environment["SUR_WORK"] == str(copy / ".work")
        assert "DVC_ROOT" not in environment
        raise SystemExit("failed")

    monkeypatch.setenv("DVC_ROOT", "/elsewhere")
    monkeypatch.setattr(stages, "measure_apart", failing)
    with pytest.raises(InputError, match="stage embed failed, see above: the same command goes on from there"):
        running.measure("embed", copy)


def test_a_command_that_fails_ends_the_bench(copy):
    with pytest.raises(SystemExit, match="exit 3 failed"):
        stages.measure_apart("exit 3", copy, {"PATH": ""})


def test_what_is_needed_is_told_beforehand(tmp_path):
    told = needs.tell(shapes.tiny(), tmp_path / "not/yet", gpu_gb=None, weights_missing=True)
    assert "on this CPU; up to 0.5 GB of disk" in told
    assert "a GPU with 80 GB free" in needs.tell(shapes.tiny(), tmp_path, gpu_gb=80.0, weights_missing=True)


@pytest.mark.parametrize(
    ("gpu_gb", "free", "line"),
    [
        (None, (10e9, 20e9), r"has 10\.0 GB free, 18\.5 GB are needed: make real-shapes FOLDER="),
        (None, (30e9, 12e9), r"12\.0 GB of memory are free, 14\.0 GB are needed without a GPU"),
        (8.0, (30e9, 12e9), r"the GPU has 8\.0 GB free, 14\.0 GB are needed: CUDA_VISIBLE_DEVICES="),
    ],
)
def test_a_machine_that_is_too_small_is_refused_in_one_line(tmp_path, monkeypatch, gpu_gb, free, line):
    disk, memory = free
    monkeypatch.setattr(needs, "_free", lambda folder: disk)
    monkeypatch.setattr(needs.psutil, "virtual_memory", lambda: type("Memory", (), {"available": memory}))
    with pytest.raises(StorageError, match=line):
        needs.tell(shapes.real(), tmp_path, gpu_gb=gpu_gb, weights_missing=True)


def test_weights_that_are_there_need_no_more_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(needs, "_free", lambda folder: 1e9)
    needs.tell(shapes.tiny(), tmp_path, gpu_gb=None, weights_missing=False)


def test_the_most_that_a_gpu_lost_is_what_a_stage_took():
    seen, looks = iter([80.0, 70.0, 66.5]), []

    def free():
        looks.append(next(seen, 79.0))
        return looks[-1]

    with Watch(free, pause_s=0.001) as watch:
        while len(looks) < 4:
            pass
    assert watch.taken == 13.5


def test_without_a_gpu_nothing_is_watched():
    with Watch(lambda: None) as watch:
        pass
    assert watch.taken is None
    assert json.dumps(running.figures({"check": Cost(1.0, 1.0, 1.0, watch.taken)}))
