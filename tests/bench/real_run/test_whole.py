import pytest

from bench.real_run import __main__ as command
from bench.real_run import page, running
from pipeline import files
from tests.closure import ROOT

STAGES = 16


@pytest.mark.slow
def test_the_profile_runs_through_every_stage_on_tiny_widths_and_a_second_start_runs_none(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(command.results, "save", lambda *arguments: pytest.fail("figures of tiny widths are not kept"))
    before = files.file_digest(ROOT / "dvc.lock"), (ROOT / "params.yaml").stat().st_mtime_ns
    assert command.main([str(tmp_path), "--tiny"]) == 0
    measured = files.read_json(tmp_path / "copy-tiny" / running.MEASURED)
    assert len(measured) == STAGES
    data = tmp_path / "copy-tiny" / "data"
    assert (data / "report/report.html").is_file()
    counts = {
        name: files.read_json(data / name / "report.json") for name in ("clip_filter", "train", "sample", "embed")
    }
    assert counts["clip_filter"]["dropped"] == {}
    assert counts["train"]["steps"] == 2
    assert counts["train"]["validation_samples"] == 1
    assert counts["sample"]["pictures"] == {"adapted": 2, "base": 2}
    assert len(list((data / "embed/layers").glob("layer_*.parquet"))) == 32
    first = capfd.readouterr().out
    assert first.count("Running stage '") == STAGES
    assert page.table(running.figures({name: running.Cost(**cost) for name, cost in measured.items()})) in first
    assert command.main([str(tmp_path), "--tiny"]) == 0
    assert "Running stage '" not in capfd.readouterr().out
    assert before == (files.file_digest(ROOT / "dvc.lock"), (ROOT / "params.yaml").stat().st_mtime_ns)


def test_a_folder_must_be_named(capsys):
    with pytest.raises(SystemExit):
        command.main([])
    assert "FOLDER is missing" in capsys.readouterr().err
