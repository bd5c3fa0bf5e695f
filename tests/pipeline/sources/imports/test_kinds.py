import pytest
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from pipeline.sources.imports import kinds
from tests.pipeline.sources.imports.made import COMMON

MORE = {
    "diffusiondb": {"nsfw_threshold": 0.5},
    "image_folder": {"columns": {"prompt": "p"}},
    "parquet": {"columns": {"prompt": "p"}, "image": {"column": "i", "holds": "bytes", "hosts": []}},
    "png_folder": {},
}


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_each_kind_has_its_settings(kind):
    config = kinds.settings({**COMMON, "kind": kind, "path": "a", **MORE[kind]})
    assert type(config) is kinds.KINDS[kind]
    assert config.image_hosts == ()


@pytest.mark.parametrize(
    "missing", ["access_basis", "licence", "licence_url", "revision", "page_url", "path", "max_records"]
)
@pytest.mark.parametrize("kind", kinds.KINDS)
def test_no_import_goes_without_its_basis_and_licence(kind, missing):
    values = {**COMMON, "kind": kind, "path": "a", **MORE[kind]}
    del values[missing]
    with pytest.raises(ValidationError, match=missing):
        kinds.settings(values)


@pytest.mark.parametrize("kind", [None, "folder", 7, ["png_folder"]])
def test_another_kind_is_refused(kind):
    with pytest.raises(ValidationError, match="Input should be one of diffusiondb, image_folder, parquet, png_folder"):
        kinds.settings({**COMMON, "kind": kind})


@pytest.mark.parametrize("value", [7, "png_folder", None, [1]])
def test_what_is_no_section_is_a_misspelt_setting(value):
    with pytest.raises(PydanticCustomError, match="is no setting"):
        kinds.settings(value)


def test_a_home_folder_is_understood_and_a_single_file_lies_in_its_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.parquet").write_bytes(b"")
    for path in ("~", "~/a.parquet"):
        config = kinds.settings({**COMMON, "kind": "parquet", "path": path, **MORE["parquet"]})
        assert config.root == tmp_path
