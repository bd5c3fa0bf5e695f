from pathlib import Path

import pytest

import pipeline
from pipeline.errors import ModelError
from pipeline.lavis import installation


def test_the_folder_is_found_where_it_is_put(monkeypatch, tmp_path):
    monkeypatch.delenv("SUR_LAVIS", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert installation.folder() == tmp_path / ".lavis"
    monkeypatch.setenv("DVC_ROOT", "/a/project")
    assert installation.folder() == Path("/a/project/.lavis")
    monkeypatch.setenv("SUR_LAVIS", "/elsewhere")
    assert installation.folder() == Path("/elsewhere")


def test_a_missing_installation_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("SUR_LAVIS", str(tmp_path))
    with pytest.raises(ModelError, match=r"^blip.backend is lavis, but LAVIS is not installed: run make lavis$"):
        installation.require()


def test_its_packages_come_before_the_installed_ones(monkeypatch, tmp_path, installed):
    monkeypatch.setenv("SUR_LAVIS", str(installed))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "transformers.py").write_text("raise ImportError('of the folder it runs in')")
    with (tmp_path / "errors").open("w+b") as errors:
        said, _ = installation.start("which", [], errors).communicate(timeout=60)
        errors.seek(0)
        assert errors.read() == b""
    assert said.decode().splitlines() == [str(installed / "transformers" / "__init__.py"), pipeline.__file__]
