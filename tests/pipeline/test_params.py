from typing import Literal

import pytest
from pydantic import Field

from pipeline import params
from pipeline.errors import SettingError


class Inner(params.Section):
    depth: int = Field(ge=1, le=4)


class Outer(params.Section):
    layer: int = Field(ge=1)
    kind: Literal["a", "b"]
    names: params.Names
    share: params.Share
    inner: Inner


class Whole(params.Section):
    outer: Outer


GOOD = """
outer:
  layer: 20  # counted from 1
  kind: a
  names: [x, y]
  share: 0.5
  inner:
    depth: 2
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "params.yaml"
        path.write_text(text)
        return path

    return write


def test_a_good_section_loads_as_plain_values(written):
    outer = params.load(Outer, "outer", written(GOOD))
    assert outer.names == ("x", "y")
    assert type(outer.layer) is int
    assert type(outer.share) is float
    assert params.load(Inner, "outer.inner", written(GOOD)).depth == 2


def test_sections_cannot_be_changed(written):
    with pytest.raises(ValueError, match="frozen"):
        params.load(Outer, "outer", written(GOOD)).layer = 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("layer: 20", "layer: 0", "outer.layer should be greater than or equal to 1, got 0 (params.yaml, line 3)"),
        ("layer: 20", "layer: deep", "outer.layer should be a valid integer, got 'deep' (params.yaml, line 3)"),
        ("layer: 20", "layer: true", "outer.layer should be a valid integer, got True (params.yaml, line 3)"),
        ("layer: 20", "lyer: 20", "outer.layer is missing (params.yaml, line 2)"),
        ("layer: 20", "lyer: 20", "outer.lyer is not a setting; did you mean layer? (params.yaml, line 3)"),
        ("kind: a", "kind: c", "outer.kind should be 'a' or 'b', got 'c' (params.yaml, line 4)"),
        ("depth: 2", "depth: 9", "outer.inner.depth should be less than or equal to 4, got 9 (params.yaml, line 8)"),
        ("depth: 2", "dpth: 2", "outer.inner.dpth is not a setting; did you mean depth? (params.yaml, line 8)"),
        ("depth: 2", "zzz: 2", "outer.inner.zzz is not a setting (params.yaml, line 8)"),
    ],
)
def test_every_fault_is_one_line_with_key_value_and_line(written, old, new, message, monkeypatch):
    path = written(GOOD.replace(old, new))
    monkeypatch.chdir(path.parent)
    with pytest.raises(SettingError) as caught:
        params.load_all(Whole, params.PARAMS)
    assert message in str(caught.value).splitlines()


def test_all_faults_are_told_at_once(written):
    with pytest.raises(SettingError) as caught:
        params.load(Outer, "outer", written(GOOD.replace("20", "0").replace("0.5", "7.0")))
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "not valid YAML"),
        ("a: 1\na: 2", "not valid YAML"),
        ("- 1", "holds no settings"),
        ("", "holds no settings"),
        ("other: 1", "outer is missing"),
    ],
)
def test_a_file_that_is_no_settings_is_told_in_one_line(written, text, message):
    with pytest.raises(SettingError, match=message) as caught:
        params.load(Outer, "outer", written(text))
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_file_says_how_to_restore_it(tmp_path):
    with pytest.raises(SettingError, match="git checkout"):
        params.load(Outer, "outer", tmp_path / "params.yaml")


def test_text_that_is_not_utf8_is_told(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"a: \xff")
    with pytest.raises(SettingError, match="not UTF-8"):
        params.load(Outer, "outer", tmp_path / "params.yaml")


def test_a_missing_nested_section_is_told(written):
    with pytest.raises(SettingError, match=r"outer\.layer\.x is missing"):
        params.load(Inner, "outer.layer.x", written(GOOD))


def test_faults_found_later_name_their_line_too(written):
    path = written(GOOD)
    assert str(params.wrong("outer.layer", "must be 1 to 40, got 41", path)) == (
        f"outer.layer must be 1 to 40, got 41 ({path}, line 3)"
    )
    assert str(params.wrong("nowhere", "is odd", path)) == f"nowhere is odd ({path})"
