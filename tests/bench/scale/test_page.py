import re

import pytest
from ruamel.yaml import YAML

from bench.scale import __main__ as command
from bench.scale import page
from bench.scale.rates import Rates
from tests.bench.scale.made_results import copied, with_gpu
from tests.closure import ROOT

COMMITTED = page.PAGE.read_text(encoding="utf-8")
PROFILE = YAML(typ="safe").load((ROOT / "profiles" / "paper.yaml").read_text(encoding="utf-8"))
OTHER_NAMES = re.compile(r"^(bench|pipeline|dvc|params)\.|\.(json|yaml|md|py|j2|config)$")


def test_the_page_is_what_the_committed_figures_give():
    assert page.render(Rates()) == COMMITTED, "make scale writes it"


def test_settings_that_the_page_names_are_there():
    named = {name for name in re.findall(r"`([a-z]+(?:\.[a-z_0-9]+)+)[:`]", COMMITTED) if not OTHER_NAMES.search(name)}
    assert {"llm.layers", "download.requests_per_s", "review.require"} <= named
    assert [name for name in sorted(named) if not _is_setting(name)] == []


def _is_setting(name):
    value = PROFILE
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def test_what_has_not_run_is_named_and_not_invented(tmp_path):
    text = page.render(copied(tmp_path))
    assert "bench.real_shapes" in text.split("Not measured, since these have not run")[1]
    assert text.count("not measured: 40 % assumed") == 8


def test_a_share_that_was_measured_takes_the_place_of_the_assumption(tmp_path):
    rates = copied(tmp_path)
    with_gpu(tmp_path, "NVIDIA H200", blip_share_of_peak=0.123, clip_share_of_peak=0.05)
    text = page.render(rates)
    assert "12.3 %, measured by bench.real_shapes" in text
    assert text.count("not measured: 40 % assumed") == 6
    assert "NVIDIA H200" in text


def test_tables_have_as_many_cells_in_each_row():
    blocks = re.findall(r"(?:^\|.*\n)+", COMMITTED, re.MULTILINE)
    assert len(blocks) >= 9
    for block in blocks:
        assert re.fullmatch(r"\|(---\|)+", block.splitlines()[1])
        assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_the_command_writes_the_page(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "PAGE", tmp_path / "scale.md")
    command.main(["page"])
    assert (tmp_path / "scale.md").read_text(encoding="utf-8") == COMMITTED
    monkeypatch.setattr(command, "all_figures", lambda: {"unet": 1e12})
    monkeypatch.setattr(command.results, "save", print)
    command.main([])
    assert "flops {'unet': 1000000000000.0}" in capsys.readouterr().out


def test_a_missing_figure_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(command, "Rates", lambda: Rates(tmp_path))
    with pytest.raises(SystemExit, match=r"^error: .*lacks \w+: run python -m bench\.\w+$"):
        command.main(["page"])


def test_make_scale_runs_it():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^scale: setup\n\t\$\(RUN\) python -m bench\.scale$", makefile, re.MULTILINE)
