from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.files import write_json, write_text
from pipeline.report.collect import collect
from tests.pipeline.report.folder import write_data


def test_the_funnel_takes_all_sources_together_in_the_order_of_stages(tmp_path: Path) -> None:
    funnel = collect(write_data(tmp_path), []).funnel
    assert [step.stage for step in funnel] == [
        "scrape", "download", "clean", "caption", "clip_filter", "review_import", "resize",
    ]  # fmt: skip
    assert (funnel[0].rows_in, funnel[0].rows_out) == (1060, 1005)
    assert funnel[0].dropped == {"no_prompt": 45, "unsafe": 10}


def test_every_report_is_found_but_the_reports_own(tmp_path: Path) -> None:
    write_data(tmp_path)
    write_json(tmp_path / "report" / "report.json", {})
    assert "scrape/lexica" in collect(tmp_path, []).reports
    assert "report" not in collect(tmp_path, []).reports


def test_curves_are_named_as_they_were_logged(tmp_path: Path) -> None:
    curves = collect(write_data(tmp_path), []).curves
    assert set(curves) == {"train/alignment", "train/denoising", "train/llm", "val/denoising"}
    assert curves["val/denoising"][0] == (0, 0.8)
    assert len(curves["train/llm"]) == 300


@pytest.mark.parametrize("content", ["step\tother\n1\t2\n", "step\ttotal\n1\tmuch\n"])
def test_a_damaged_curve_is_told(tmp_path: Path, content: str) -> None:
    write_data(tmp_path)
    write_text(tmp_path / "train/log/plots/metrics/train/total.tsv", content)
    with pytest.raises(InputError, match=r"total\.tsv is no table of step and total"):
        collect(tmp_path, [])


def test_models_bring_their_measured_quality_or_the_reason_why_not(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    write_json(tmp_path / "measured" / "quality.json", {"colour_named_right": 0.93})
    (tmp_path / "unmeasured").mkdir()
    named = [("a", str(tmp_path / "measured"), "1"), ("b", str(tmp_path / "unmeasured"), "2"), ("c", "who/what", "3")]
    measured, unmeasured, hub = collect(tmp_path / "data", named).models
    assert measured.quality == {"colour_named_right": 0.93}
    assert "quality.json" in unmeasured.note
    assert "Hugging Face" in hub.note


@pytest.mark.parametrize("name", ["statistics.json", "agreement.json", "report.json", "prompts.csv"])
def test_a_missing_evaluation_is_told(tmp_path: Path, name: str) -> None:
    (write_data(tmp_path) / "evaluate" / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        collect(tmp_path, [])


def test_without_training_and_scraping_there_is_still_an_evaluation(tmp_path: Path) -> None:
    source = write_data(tmp_path / "all") / "evaluate"
    source.rename(tmp_path / "evaluate")
    findings = collect(tmp_path, [])
    assert (list(findings.funnel), dict(findings.curves)) == ([], {})
