import pytest

from bench import row_memory
from pipeline import tables
from pipeline.samples import SCORES
from pipeline.sources.record import RECORDS


def test_made_up_rows_fit_the_tables():
    rows = [row_memory.later(row_memory.record(number)) for number in range(3)]
    for shape in (RECORDS, SCORES):
        tables.check(tables.from_rows(({name: row[name] for name in shape.names} for row in rows), shape), shape)


def test_texts_differ_and_come_again():
    assert row_memory.words(1, 9) == row_memory.words(1, 9) != row_memory.words(2, 9)


def test_a_rows_cost_is_the_difference_of_two_peaks(monkeypatch, tmp_path, capsys):
    peaks = {("make", 10): 1, ("make", 30): 1, ("embed", 10): 5_000_000, ("embed", 30): 5_004_000}

    def run(step, count, folder):
        (folder / "records").write_bytes(bytes(7 * count))
        return peaks[step, count]

    monkeypatch.setattr(row_memory, "run", run)
    monkeypatch.setattr(row_memory, "STEPS", {"make": None, "embed": None})
    monkeypatch.setattr(row_memory, "FILES", {"records": "records"})
    figures = row_memory.measure(10, 30)
    assert figures["embed_memory_b_a_row"] == 200
    assert figures["records_file_b_a_row"] == 7
    assert "embed" in capsys.readouterr().out


def test_a_step_that_fails_is_told(tmp_path):
    with pytest.raises(SystemExit, match=r"review_export of 5 rows failed: .*scores\.parquet is missing"):
        row_memory.run("review_export", 5, tmp_path)


@pytest.mark.slow
def test_every_stage_runs_and_is_measured(monkeypatch):
    kept = {}
    monkeypatch.setattr(row_memory.results, "save", kept.setdefault)
    row_memory.main((20, 40))
    stages = {name.removesuffix("_peak_mb") for name in kept["row_memory"] if name.endswith("_peak_mb")}
    assert stages == set(row_memory.STEPS) - {"make"}
    assert all(kept["row_memory"][f"{table}_file_b_a_row"] > 0 for table in row_memory.FILES)
