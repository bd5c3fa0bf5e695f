import pytest

from pipeline import checking
from pipeline.errors import SettingError
from pipeline.files import read_json
from stages import check


def examined(tmp_path):
    check.check(tmp_path / "params.yaml", tmp_path / "ran.json", tmp_path / "report.json")


def test_the_order_file_is_always_the_same_bytes(tmp_path, monkeypatch, capsys):
    written = []
    for notes in ([], ["a model was not compared"]):
        monkeypatch.setattr(checking, "examine", lambda _, notes=notes: notes)
        examined(tmp_path)
        written.append((tmp_path / "ran.json").read_bytes())
    assert written[0] == written[1]
    assert "a model was not compared" in capsys.readouterr().err
    assert read_json(tmp_path / "report.json")["notes"] == ["a model was not compared"]


@pytest.mark.parametrize("experiment", [False, True])
def test_a_fault_is_told_loses_nothing_and_shows_an_experiment_the_way_back(tmp_path, monkeypatch, experiment):
    def refuse(_):
        raise SettingError("llm.layer must be 1 to 40")

    monkeypatch.setattr(checking, "examine", refuse)
    if experiment:
        monkeypatch.setenv("DVC_EXP_BASELINE_REV", "0" * 40)
    else:
        monkeypatch.delenv("DVC_EXP_BASELINE_REV", raising=False)
    with pytest.raises(SettingError) as caught:
        examined(tmp_path)
    assert ("git checkout params.yaml" in str(caught.value)) is experiment
    assert read_json(tmp_path / "report.json")["faults"] == ["llm.layer must be 1 to 40"]
    assert (tmp_path / "ran.json").is_file()


def test_main_checks_the_settings_in_force(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checking, "examine", lambda path: [str(path)])
    check.main()
    assert (tmp_path / "data/check/ran.json").is_file()
