from pathlib import Path

import pytest

from pipeline import params, picture_session
from pipeline.downloading import DownloadParams
from pipeline.http import FetchError
from pipeline.sources.imports import kinds
from pipeline.sources.imports.png_folder import PngFolderParams
from pipeline.sources.settings import SourcesParams
from tests.closure import ROOT
from tests.pipeline.sources.imports.made import png, put, settings, walked


@pytest.fixture
def sources():
    return params.load(SourcesParams, "sources", ROOT / "params.yaml")


@pytest.fixture
def config():
    return params.load(DownloadParams, "download", ROOT / "params.yaml")


def _with_import(sources, root: Path):
    one = settings(PngFolderParams, root, kind="png_folder")
    return sources.model_copy(update={"enabled": ("lexica", "mine"), "mine": one})


def test_pictures_come_from_their_site_or_from_the_disk(tmp_path, sources, config):
    put(tmp_path, {"a.png": png(parameters="star")})
    both = _with_import(sources, tmp_path)
    record = walked(kinds.walk("mine", both.imports["mine"], "salt"))[0][0]
    with picture_session.opened(config, both) as get:
        assert get(record.image_url).content == png(parameters="star")
        with pytest.raises(FetchError, match="is not a host of this source"):
            get("https://image.civitai.com/a.png")
        with pytest.raises(FetchError, match="has no such page"):
            get("https://image.lexica.art/md2/none")


def test_an_import_that_is_not_enabled_is_not_read(tmp_path, sources, config):
    put(tmp_path, {"a.png": png(parameters="star")})
    both = _with_import(sources, tmp_path)
    record = walked(kinds.walk("mine", both.imports["mine"], "salt"))[0][0]
    alone = both.model_copy(update={"enabled": ("lexica",)})
    with picture_session.opened(config, alone) as get, pytest.raises(FetchError, match="no enabled import has this"):
        get(record.image_url)
