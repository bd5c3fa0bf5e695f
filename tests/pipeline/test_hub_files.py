"""What may be pushed: whole, as dvc.lock and config.json know it, and nothing that was taken down."""

import pytest

from pipeline import hub_files, tables
from pipeline.errors import InputError, ModelError
from tests.pipeline import hub_setup


@pytest.fixture
def copy(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    hub_setup.write_data_set(tmp_path)
    return tmp_path


def take_down(copy, entry):
    (copy / "takedown.txt").write_text(f"{entry}\n")


@pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # of pygtrie, which DVC asks in its older way
def test_dvc_itself_gives_the_same_md5(tmp_path):
    """Of names whose order as paths and as text differs."""
    from dvc.repo import Repo

    for name in ("a/x.txt", "a.b/x.txt", "a-c.txt", "é.txt"):
        path = tmp_path / "root/folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    [stage] = Repo.init(str(tmp_path / "root"), no_scm=True).add(str(tmp_path / "root/folder"))
    assert stage.outs[0].hash_info.value == hub_files.folder_md5(tmp_path / "root/folder")


def test_the_data_set_is_its_shards_card_and_licences_with_a_count_by_licence(copy):
    bundle = hub_files.data_set()
    assert list(bundle.files) == ["LICENSE.md", "README.md", "parts/part-00000.parquet", "parts/part-00001.parquet"]
    assert bundle.licences == {"CC-BY-NC-4.0": 3}
    assert bundle.bytes == sum(path.stat().st_size for path in bundle.files.values())


@pytest.mark.parametrize("name", ["README.md", "LICENSE.md", "parts/part-00001.parquet"])
def test_a_damaged_data_set_is_refused(copy, name):
    path = copy / "data/resize" / name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(
        InputError, match=r"data/resize/\w+(\.md)? is damaged or edited: its content is not what dvc.lock"
    ):
        hub_files.data_set()


def test_a_data_set_that_is_not_there_or_that_dvc_does_not_know_is_refused(copy):
    (copy / "data/resize/LICENSE.md").unlink()
    with pytest.raises(
        InputError, match=r"LICENSE\.md is missing: dvc checkout data/resize/LICENSE\.md, or dvc repro resize"
    ):
        hub_files.data_set()
    (copy / "dvc.lock").write_text("stages: {}")
    with pytest.raises(InputError, match=r"dvc\.lock does not tell of stage resize: dvc repro resize, then push"):
        hub_files.data_set()
    (copy / "dvc.lock").unlink()
    with pytest.raises(InputError, match=r"dvc\.lock does not tell of stage resize"):
        hub_files.data_set()


@pytest.mark.parametrize(
    "entry", ["lexica:002", "https://lexica.example/2", f"{2:064d}", "https://images.example/2.png"]
)
def test_a_sample_that_was_taken_down_is_not_pushed_whatever_names_it(copy, entry):
    records = [{"sample_id": "lexica:002", "image_url": "https://images.example/2.png"}]
    path = copy / "data/scrape/lexica/records.parquet"
    tables.write(tables.from_rows(records, hub_files.RECORD), path, hub_files.RECORD)
    take_down(copy, entry)
    with pytest.raises(InputError, match=r"data/resize holds 1 samples that takedown.txt names \(lexica:002\)"):
        hub_files.data_set()


def test_many_taken_down_samples_are_counted_and_a_few_are_named(copy):
    hub_setup.write_data_set(copy, count=5)
    take_down(copy, "\n".join(f"lexica:{index:03d}" for index in range(5)))
    with pytest.raises(InputError, match=r"holds 5 samples .* \(lexica:000, lexica:001, lexica:002, ...\)"):
        hub_files.data_set()


def test_an_adapter_is_its_weights_config_and_card(copy):
    folder = hub_setup.write_trained(copy)
    (folder / "notes.txt").write_text("stays here")
    hub_setup.lock(copy)
    bundle = hub_files.adapter()
    assert list(bundle.files) == ["README.md", "adapter.safetensors", "config.json"]
    assert bundle.notes == ()


def test_an_adapter_from_elsewhere_goes_with_a_note(copy):
    hub_setup.write_adapter(copy / "other")
    [note] = hub_files.adapter(copy / "other").notes
    assert "takedown.txt was not compared" in note


def test_an_adapter_folder_that_is_missing_or_damaged_is_refused(copy):
    with pytest.raises(ModelError, match="data/train/adapter is no adapter folder"):
        hub_files.adapter()
    folder = hub_setup.write_trained(copy)
    weights = folder / "adapter.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + b"x")
    with pytest.raises(ModelError, match=r"adapter.safetensors is damaged or from another adapter"):
        hub_files.adapter()
    weights.unlink()
    with pytest.raises(ModelError, match=r"adapter\.safetensors is missing"):
        hub_files.adapter()
    weights.write_bytes(whole)
    (folder / "unet.safetensors").write_bytes(whole)
    with pytest.raises(ModelError, match=r"unet\.safetensors is not told of in config\.json"):
        hub_files.adapter()
    (folder / "unet.safetensors").unlink()
    (folder / "README.md").unlink()
    with pytest.raises(ModelError, match=r"README\.md is missing"):
        hub_files.adapter()


def test_an_edited_card_is_refused_as_not_what_was_trained(copy):
    folder = hub_setup.write_trained(copy)
    (folder / "README.md").write_text("another card")
    with pytest.raises(InputError, match="data/train/adapter is damaged or edited"):
        hub_files.adapter()


def test_an_adapter_that_learned_from_what_was_taken_down_is_not_pushed(copy):
    hub_setup.write_trained(copy)
    take_down(copy, "lexica:001")  # of split val: nothing was learned from it
    hub_files.adapter()
    take_down(copy, "lexica:002")
    for folder in (hub_files.ADAPTER, hub_files.ADAPTER.absolute()):
        with pytest.raises(InputError, match=r"data/train/adapter was trained with 1 samples that takedown.txt names"):
            hub_files.adapter(folder)


def test_an_adapter_of_an_older_data_set_is_not_pushed_since_nobody_knows_what_it_saw(copy):
    hub_setup.write_trained(copy)
    hub_setup.write_parts(copy / "data/resize/parts", 2)
    with pytest.raises(InputError, match="was trained on another state of data/resize/parts: dvc repro train"):
        hub_files.adapter()


def test_an_unet_s_weights_go_with_the_adapter_and_are_compared_too(copy):
    folder = hub_setup.write_unet_too(copy)
    assert "unet.safetensors" in hub_files.adapter(folder).files
    (folder / "unet.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"unet\.safetensors is damaged"):
        hub_files.adapter(folder)
