from pipeline.training_log import live_log


def test_figures_are_tables_of_step_and_value_without_a_clock(tmp_path):
    with live_log(tmp_path / "log") as report:
        report(1, {"train/total": 0.5})
        report(2, {"train/total": 0.25, "val/denoising": 1.0})
    tsv = tmp_path / "log/plots/metrics/train/total.tsv"
    assert tsv.read_text().split() == ["step", "total", "1", "0.5", "2", "0.25"]
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {
        "log/metrics.json",
        "log/plots/metrics/train/total.tsv",
        "log/plots/metrics/val/denoising.tsv",
    }


def test_a_log_is_begun_anew(tmp_path):
    for step in (5, 1):
        with live_log(tmp_path / "log") as report:
            report(step, {"train/total": 0.5})
    assert (tmp_path / "log/plots/metrics/train/total.tsv").read_text().split() == ["step", "total", "1", "0.5"]
