"""``sur push-to-hub`` against a stand-in of Hugging Face's API on loopback."""

import os
import subprocess
import sys

import huggingface_hub
import pytest
from huggingface_hub import constants

from pipeline import app, hub
from pipeline.errors import SourceError
from pipeline.hub_files import Bundle
from tests.closure import ROOT
from tests.pipeline import hub_site
from tests.pipeline.hub_setup import write_data_set, write_trained

REPO = "lab/surd"
pytestmark = pytest.mark.filterwarnings(  # huggingface_hub 2.4.0 gives httpx2 files in its older way
    "ignore:Use 'content=<...>' to upload:DeprecationWarning"
)


@pytest.fixture
def site(monkeypatch):
    with hub_site.served(hub_site.HubSite()) as made:
        _client(monkeypatch, made)
        yield made
    huggingface_hub.close_session()


def _client(monkeypatch, made):
    huggingface_hub.close_session()
    monkeypatch.setattr(constants, "ENDPOINT", made.endpoint)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", hub_site.TOKEN)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)


@pytest.fixture
def data(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write_data_set(tmp_path)
    return tmp_path


def run(*arguments):
    with pytest.raises(SystemExit) as caught:
        app.main(["push-to-hub", *arguments])
    return caught.value.code


def here(folder, names):
    return {name: (folder / name).read_bytes() for name in names}


def test_the_data_set_arrives_byte_for_byte_in_one_private_commit(site, data, capsys):
    assert run("dataset", REPO) == 0
    names = ["LICENSE.md", "README.md", "parts/part-00000.parquet", "parts/part-00001.parquet"]
    assert site.content(REPO, kind="datasets") == here(data / "data/resize", names)
    stored = site.repos["datasets", REPO]
    assert stored.private
    assert stored.commits == ["Initial commit", "Dataset from sur push-to-hub"]
    told = capsys.readouterr().out
    assert "CC-BY-NC-4.0 (3 samples)" in told
    assert f"pushed: {site.endpoint}/" in told


def test_a_second_push_of_the_same_folder_makes_no_commit_and_sends_no_large_file(site, data, capsys):
    assert run("dataset", REPO) == 0
    sent, commits = site.count("PUT", "/storage/"), site.count("POST", "/commit/")
    assert sent == 2
    assert run("dataset", REPO) == 0
    assert (site.count("PUT", "/storage/"), site.count("POST", "/commit/")) == (sent, commits)
    assert "has all of it already: no commit was made" in capsys.readouterr().out


def test_shards_that_are_no_longer_there_are_deleted_and_other_files_stay(site, data):
    assert run("dataset", REPO) == 0
    stored = site.repos["datasets", REPO].branches["main"]
    stored["notes.txt"] = b"of the owner"
    write_data_set(data, count=2)
    assert run("dataset", REPO) == 0
    assert set(site.content(REPO, kind="datasets")) == {
        "LICENSE.md",
        "README.md",
        "notes.txt",
        "parts/part-00000.parquet",
    }


def test_large_files_go_in_parts_where_the_server_asks_for_parts(site, data):
    site.part_bytes = 700
    assert run("dataset", REPO) == 0
    names = ["parts/part-00000.parquet", "parts/part-00001.parquet"]
    found = site.content(REPO, kind="datasets")
    assert {name: found[name] for name in names} == here(data / "data/resize", names)
    assert len(site.parts) > 2


def test_an_adapter_becomes_a_model_repository_on_a_branch_with_a_message(site, data, capsys):
    folder = write_trained(data)
    asked = ("adapter", "lab/adapter", "--revision", "layer-40", "--message", "Layer 40", "--public")
    assert run(*asked) == 0
    assert run(*asked) == 0
    stored = site.repos["models", "lab/adapter"]
    assert not stored.private
    assert stored.commits == ["Initial commit", "Layer 40"]
    assert site.content("lab/adapter", "layer-40") == here(folder, ["README.md", "adapter.safetensors", "config.json"])
    assert site.content("lab/adapter") == {}
    assert "no commit was made" in capsys.readouterr().out


def test_weights_in_other_folders_of_the_repository_stay(site, data):
    write_trained(data)
    assert run("adapter", "lab/adapter") == 0
    stored = site.repos["models", "lab/adapter"].branches["main"]
    stored["unet/diffusion_pytorch_model.safetensors"] = b"of the owner"
    stored["unet.safetensors"] = b"of an earlier adapter of ours"
    assert run("adapter", "lab/adapter", "--message", "again") == 0
    assert set(site.content("lab/adapter")) == {
        "README.md",
        "adapter.safetensors",
        "config.json",
        "unet/diffusion_pytorch_model.safetensors",
    }


def test_a_dry_run_lists_files_sizes_and_target_and_asks_nobody(site, data, monkeypatch, capsys):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert run("dataset", REPO, "--dry-run", "--public") == 0
    told = capsys.readouterr().out
    assert told.startswith("dataset to lab/surd, branch main, public (dataset repository)\n")
    size = (data / "data/resize/parts/part-00001.parquet").stat().st_size
    assert f"{size:,}  parts/part-00001.parquet" in told
    assert "bytes in 4 files" in told
    assert site.asked == []


@pytest.mark.parametrize(
    ("repo", "line"),
    [
        ("surd", "'surd' names no owner: say owner/name"),
        ("lab/s--d", "is no name of a repository"),
        ("a/b/c", "no name"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_before_anybody_is_asked(site, data, capsys, repo, line):
    assert run("dataset", repo) == 1
    assert line in one_line(capsys)
    assert site.asked == []


def test_without_a_token_or_offline_one_line_says_what_to_do(site, data, monkeypatch, capsys):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(data / "none"))
    assert run("dataset", REPO) == 1
    assert "there is no token: hf auth login, or set HF_TOKEN" in one_line(capsys)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert run("dataset", REPO) == 1
    assert "HF_HUB_OFFLINE is set" in one_line(capsys)
    assert site.asked == []


def test_a_public_repository_is_pushed_to_only_where_public_is_said(site, data, capsys):
    site.repos["datasets", REPO] = hub_site.Repo(private=False)
    assert run("dataset", REPO) == 1
    assert "lab/surd is public: say --public" in one_line(capsys)
    assert site.count("POST", "/commit/") == 0
    assert run("dataset", REPO, "--public") == 0


def test_a_folder_is_an_adapters_alone(site, data, capsys):
    assert run("dataset", REPO, "--folder", "elsewhere") == 1
    assert "--folder goes with an adapter" in one_line(capsys)


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (("GET", "/api/datasets/", 401), "status 401, the token is not known or has expired"),
        (("POST", "/api/repos/create", 403), "status 403, the token may not write there"),
        (("POST", "/preupload/", 404), "status 404, there is no such repository for this token"),
        (("POST", "/commit/", 412), "status 412, somebody else has pushed meanwhile"),
        (("POST", "/commit/", 418), "status 418, the server refuses it"),
        (("PUT", "/storage/", 503), "status 503, the server failed; what has arrived is kept there"),
        (("POST", "/commit/", 500), "status 500, the server failed; what has arrived is kept there"),
        (("PUT", "/storage/", "drop"), "the connection to http://127.0.0.1"),
        (("GET", "/tree/", "drop"), "the connection to http://127.0.0.1"),
    ],
)
def test_what_the_server_refuses_or_loses_is_one_line_and_the_same_command_goes_on(site, data, capsys, fault, line):
    site.faults = [[*fault, 100]]
    assert run("dataset", REPO) == 1
    assert line in one_line(capsys)
    stored = site.repos.get(("datasets", REPO))
    assert stored is None or stored.commits == ["Initial commit"]
    site.faults = []
    assert run("dataset", REPO) == 0
    assert len(site.content(REPO, kind="datasets")) == 4


def test_large_files_that_arrived_before_a_failure_are_not_sent_again(site, data):
    site.faults = [["POST", "/commit/", 500, 1]]
    assert run("dataset", REPO) == 1
    assert run("dataset", REPO) == 0
    assert site.count("PUT", "/storage/") == 2


def test_a_short_failure_is_got_over_without_a_word(site, data, capsys):
    site.faults = [["PUT", "/storage/", 503, 2]]
    assert run("dataset", REPO) == 0
    assert "error: " not in capsys.readouterr().err


def test_a_card_that_the_server_finds_wrong_is_one_line(site, tmp_path):
    (tmp_path / "README.md").write_text("---\nlicense: 7\n---\n")
    bundle = Bundle("adapter", {"README.md": tmp_path / "README.md"}, ())
    with pytest.raises(SourceError, match=r'lab/x: status 400, .* \("license" must be a string\)'):
        hub.push(bundle, hub.Target("lab/x", "main", public=False, message="x"))


def test_an_error_that_is_neither_an_answer_nor_a_connection_is_one_line_too(site, data, monkeypatch, capsys):
    def failing(*arguments, **options):
        raise RuntimeError("Xet could not store a chunk\nmore")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_commit", failing)
    assert run("dataset", REPO) == 1
    assert "lab/surd: Xet could not store a chunk more: what has arrived is kept there" in one_line(capsys)


def test_another_push_in_between_is_not_overwritten(site, data, monkeypatch, capsys):
    site.repos["datasets", REPO] = hub_site.Repo(private=True)
    asked = hub._deletions

    def meanwhile(*arguments):
        site.repos["datasets", REPO].heads["main"] = "f" * 40
        return asked(*arguments)

    monkeypatch.setattr(hub, "_deletions", meanwhile)
    assert run("dataset", REPO) == 1
    assert "somebody else has pushed meanwhile" in one_line(capsys)


def test_the_command_itself_reads_endpoint_token_and_the_switch_for_xet_from_the_environment(site, data):
    environment = {
        **os.environ,
        "HF_ENDPOINT": site.endpoint,
        "HF_TOKEN": hub_site.TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": str(ROOT),
    }
    code = f"from pipeline.app import main; main(['push-to-hub', 'dataset', '{REPO}'])"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(site.content(REPO, kind="datasets")) == 4


def one_line(capsys):
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]
