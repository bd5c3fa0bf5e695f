import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import tables
from pipeline.files import write_json
from pipeline.review import tasks
from pipeline.samples import SCORES
from tests.pipeline.review.rows import queued, scored

KEY = "c" * 64


def test_the_least_sure_pair_comes_first(tmp_path: Path) -> None:
    path = queued(scored(margins=[3.0, 0.5, 1.0]), tmp_path / "queue.parquet")
    assert tables.read(path, tasks.QUEUE).column("sample_id").to_pylist() == ["a:0", "a:1", "a:2"]
    rows = list(tasks.in_order(path))
    assert [row["rank"] for row in rows] == [0, 1, 2]
    assert [row["margin"] for row in rows] == [0.5, 1.0, 3.0]


def test_pairs_of_one_margin_come_by_their_id_and_those_not_kept_have_no_rank(tmp_path: Path) -> None:
    lost = scored(margins=[0.0, 0.0, 0.0], kept=False).slice(2)
    tables.write(pa.concat_tables([scored(margins=[1.0, 1.0]), lost]), tmp_path / "scores.parquet", SCORES)
    assert tasks.ranks(tmp_path / "scores.parquet").to_pylist() == [0, 1, None]


def test_a_queue_is_read_in_pieces_as_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = queued(scored(margins=[float(place * 7 % 11) for place in range(11)]), tmp_path / "queue.parquet")
    whole = list(tasks.in_order(path))
    monkeypatch.setattr(tasks, "ROWS_IN_ORDER", 4)
    monkeypatch.setattr(tasks, "ROWS_AS_PYTHON", 3)
    assert list(tasks.in_order(path)) == whole
    assert [row["rank"] for row in whole] == list(range(11))


def test_label_studio_tasks_carry_the_review_key(tmp_path: Path) -> None:
    (row,) = tasks.in_order(queued(scored(margins=[1.0]), tmp_path / "queue.parquet"))
    task = tasks.label_studio(row)
    assert task["data"]["review_key"] == row["review_key"] == tasks.row_key(row)
    assert task["data"]["image"].endswith(f"{row['image_sha256']}.jpg")
    assert task["meta"]["margin"] == 1.0


def test_prompts_with_quotes_and_line_ends_survive_the_csv(tmp_path: Path) -> None:
    prompt = 'a "red", circle;\nand <b>more</b>'
    (wanted,) = tasks.in_order(queued(scored(margins=[1.0], simple_prompt=prompt), tmp_path / "queue.parquet"))
    tasks.write_csv(tmp_path / "tasks.csv", [wanted])
    with (tmp_path / "tasks.csv").open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["simple_prompt"] == prompt
    assert row["review_key"] == wanted["review_key"]


def test_a_prompt_is_no_formula_in_a_spreadsheet(tmp_path: Path) -> None:
    (row,) = tasks.in_order(queued(scored(margins=[1.0], simple_prompt="=HYPERLINK(1)"), tmp_path / "queue.parquet"))
    tasks.write_csv(tmp_path / "tasks.csv", [{**row, "margin": -1.0}])
    with (tmp_path / "tasks.csv").open(encoding="utf-8", newline="") as stream:
        (found,) = csv.DictReader(stream)
    assert (found["simple_prompt"], found["margin"]) == ("'=HYPERLINK(1)", "-1.0000")


@pytest.mark.parametrize("values", [[], [{"a": "line\nend", "b": [1, {}]}], [1, "é"]])
def test_a_list_is_written_as_json_is(tmp_path: Path, values: list[Any]) -> None:
    tasks.write_json_list(tmp_path / "list.json", iter(values))
    write_json(tmp_path / "whole.json", values)
    assert (tmp_path / "list.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_the_guide_shows_a_line_that_can_be_written() -> None:
    text = tasks.guide(2, KEY)
    assert KEY in text
    assert '<Choice value="keep" hotkey="1"/>' in text


@given(st.lists(st.text(), min_size=3, max_size=3), st.lists(st.text(), min_size=3, max_size=3))
def test_another_picture_or_prompt_gives_another_key(first: list[str], second: list[str]) -> None:
    assert (tasks.review_key(*first) == tasks.review_key(*second)) == (first == second)


def test_a_key_does_not_depend_on_where_words_are_cut() -> None:
    assert tasks.review_key("a", "bc", "d") != tasks.review_key("a", "b", "cd")
