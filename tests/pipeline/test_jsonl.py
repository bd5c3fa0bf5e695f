from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.jsonl import Record, read_folder


class Line(Record):
    name: str
    number: int = 0


def test_lines_come_in_the_order_of_files_and_lines(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"name": "third"}')
    (tmp_path / "a.jsonl").write_text('{"name": "first", "number": 1}\n\n{"name": "second", "unknown": true}\n')
    assert [line.name for line in read_folder(tmp_path, Line)] == ["first", "second", "third"]


def test_a_missing_folder_has_no_lines(tmp_path: Path) -> None:
    assert list(read_folder(tmp_path / "none", Line)) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"name": "cut off', "line 2: Invalid JSON"),
        ('{"name": 1}', "line 2: name should be a valid string, got 1"),
        ("[]", "line 2: Input should be an object"),
        ('{"number": 2}', "line 2: name is missing"),
        ("\xff", "line 2: Invalid JSON"),
    ],
)
def test_a_broken_line_is_told_with_its_place(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"name": "fine"}\n' + line.encode("latin-1") + b"\n")
    with pytest.raises(InputError) as caught:
        list(read_folder(tmp_path, Line))
    assert f"a.jsonl, {told}" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
