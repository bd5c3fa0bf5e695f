import re

from bench.real_run import __main__ as command
from bench.real_run import page
from bench.real_run.page import Kept

FIGURES = {"check_wall_s": 5.04, "check_cpu_s": 4.0, "check_peak_gb": 0.4, "embed_wall_s": 90.0, "embed_cpu_s": 80.0}
FIGURES |= {"embed_peak_gb": 13.6, "all_wall_s": 95.04, "all_cpu_s": 84.0, "all_peak_gb": 13.6}
MACHINE = {"processor": "some CPU", "cores": 2, "threads": 1, "torch": "2.13.0"}


def test_the_committed_page_is_what_the_kept_figures_give():
    assert page.render(page.kept()) == page.PAGE.read_text(encoding="utf-8"), (
        "python -m bench.real_run --page writes it"
    )


def test_a_run_s_stages_stand_in_a_table_with_their_sums_last():
    lines = page.table(FIGURES).splitlines()
    assert lines[2:] == [
        "| `check` | 5.0 | 4.0 | 0.4 |",
        "| `embed` | 90.0 | 80.0 | 13.6 |",
        "| all | 95.0 | 84.0 | 13.6 |",
    ]
    gpu = page.table({**FIGURES, "embed_gpu_peak_gb": 14.0}).splitlines()
    assert gpu[2:4] == ["| `check` | 5.0 | 4.0 | 0.4 |  |", "| `embed` | 90.0 | 80.0 | 13.6 | 14.0 |"]


def test_the_page_says_on_what_it_was_measured_or_that_it_was_not():
    assert "Measured on some CPU, 2 cores, 1 thread, torch 2.13.0, no GPU: 95 s" in page.render(Kept(FIGURES, MACHINE))
    assert "2 threads" in page.render(Kept(FIGURES, {**MACHINE, "threads": 2}))
    assert "torch 2.13.0, some GPU:" in page.render(Kept(FIGURES, {**MACHINE, "gpu": "some GPU"}))
    assert "Not measured yet." in page.render(None)


def test_every_change_is_in_the_page():
    named = set(re.findall(r"^\| `([a-z_.]+)` \|", page.render(None), re.MULTILINE))
    assert {"llm.layer", "clip.margin", "review.require", "train.steps", "sources.drawn"} <= named
    assert "blip.model" not in named


def test_no_figures_are_no_run(tmp_path):
    assert page.kept(tmp_path / "none.json") is None


def test_the_command_writes_page_or_profile_and_wants_a_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    assert command.main(["--page"]) == 0
    assert (tmp_path / "page.md").is_file()
    monkeypatch.setattr(command.profile, "PROFILE", tmp_path / "profile.yaml")
    assert command.main(["--profile"]) == 0
    assert (tmp_path / "profile.yaml").read_text() == command.profile.derived()
