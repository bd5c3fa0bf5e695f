import pytest

from pipeline import model_folders
from pipeline.errors import ModelError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model" / "unet").mkdir(parents=True)
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "unet" / "weights").write_bytes(b"123")
    return tmp_path / "model"


def test_the_right_revision_passes_and_a_card_does_not_count(folder):
    revision = model_folders.write_revision(folder)
    (folder / "README.md").write_text("a card")
    (folder / "quality.json").write_text("{}")
    model_folders.verify(str(folder), revision)


def test_changed_moved_or_missing_content_is_refused(folder):
    revision = model_folders.write_revision(folder)
    (folder / "unet" / "weights").rename(folder / "weights")
    with pytest.raises(ModelError, match=f"not {revision}"):
        model_folders.verify(str(folder), revision)


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(ModelError, match="is missing: name a folder"):
        model_folders.verify(str(tmp_path / "none"), "0" * 16)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("bert-base-uncased", False),
        ("huggyllama/llama-13b", False),
        ("miniature/models/blip", True),
        ("./x", True),
        ("~/x", True),
        ("/x/y", True),
    ],
)
def test_hub_ids_and_folders_are_told_apart(name, folder):
    assert model_folders.is_folder(name) is folder


def test_hub_ids_are_left_to_the_hub():
    model_folders.verify("huggyllama/llama-13b", "main")
