import json

import huggingface_hub
import pytest

from pipeline.errors import ModelError
from pipeline.model_folders import write_revision
from pipeline.pretrained import opening, quiet_transformers, read_config


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"hidden_size": 16}')
    return str(tmp_path / "model"), write_revision(tmp_path / "model")


def test_a_folder_has_no_revision_for_the_library(folder):
    with opening(*folder) as (name, revision):
        assert (name, revision) == (folder[0], "main")


def test_a_hub_id_goes_with_its_revision():
    with opening("owner/name", "abc") as found:
        assert found == ("owner/name", "abc")


def test_a_changed_folder_is_refused(folder):
    with pytest.raises(ModelError, match="has revision"), opening(folder[0], "0" * 16):
        raise AssertionError


@pytest.mark.parametrize("error", [OSError("no such file\nsecond line"), ValueError("no such file"), OSError()])
def test_what_fails_while_loading_is_one_line(folder, error):
    with pytest.raises(ModelError, match=r"^model .* cannot be loaded: (no such file|OSError)$"), opening(*folder):
        raise error


def test_a_programmers_mistake_keeps_its_traceback(folder):
    with pytest.raises(KeyError), opening(*folder):
        raise KeyError("x")


def test_the_config_is_read_without_weights(folder, tmp_path):
    assert read_config(*folder) == {"hidden_size": 16}
    with pytest.raises(ModelError, match=r"no readable config.json"):
        read_config(str(tmp_path / "missing"), "0")


def test_a_hub_config_is_fetched_alone(monkeypatch, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"num_hidden_layers": 40}))
    asked = []
    monkeypatch.setattr(
        huggingface_hub, "hf_hub_download", lambda *names, **_: asked.append(names) or str(tmp_path / "config.json")
    )
    assert read_config("owner/name", "abc") == {"num_hidden_layers": 40}
    assert asked == [("owner/name", "config.json")]


def test_a_hub_that_cannot_be_reached_gives_none(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert read_config("owner/certainly-not-cached", "abc") is None


def test_loading_draws_no_bar_of_its_own():
    from transformers.utils import logging as transformers_logging

    quiet_transformers()
    assert not transformers_logging.is_progress_bar_enabled()
