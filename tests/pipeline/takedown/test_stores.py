import gzip
import json

import pytest
from filelock import FileLock

from pipeline.errors import InputError
from pipeline.takedown import stores
from pipeline.takedown.searching import holds
from pipeline.takedown.traces import Traces

TRACES = Traces(addresses={"https://a.org/image/12-jane-doe"})


def _listing(folder, body):
    path = folder / "scrape/a/settings/last/answer.json.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(json.dumps({"url": "https://a.org/prompts/doe", "body": body}).encode()))
    return path


def test_a_listing_loses_its_relative_link_alone(tmp_path):
    path = _listing(tmp_path, '<a href="/image/12-jane-doe"><img alt="jane"></a><a href="/image/7">y</a>')
    (step,) = stores.steps(tmp_path, TRACES)
    step.act()
    assert json.loads(gzip.decompress(path.read_bytes()))["body"] == '<a href="/image/7">y</a>'
    assert not holds(path, TRACES)


def test_a_listing_with_a_link_that_cannot_be_cut_goes_whole(tmp_path):
    path = _listing(tmp_path, '<link rel="next" href="/image/12-jane-doe">')
    (step,) = stores.steps(tmp_path, TRACES)
    step.act()
    assert not path.exists()


def test_a_store_that_is_written_to_is_told(tmp_path):
    folder = tmp_path / "download/abc"
    folder.mkdir(parents=True)
    with stores.held(tmp_path):
        pass
    with FileLock(folder / "lock"), pytest.raises(InputError, match="abc is being written to"), stores.held(tmp_path):
        pass
    with FileLock(folder / "lock"):
        pass
    with stores.held(tmp_path):
        pass


def test_nobody_writes_to_a_store_while_things_go(tmp_path):
    (tmp_path / "lock").touch()
    with stores.held(tmp_path), pytest.raises(TimeoutError):
        FileLock(tmp_path / "lock", timeout=0).acquire()
