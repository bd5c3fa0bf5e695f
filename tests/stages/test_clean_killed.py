import json
import subprocess
import sys

import numpy as np
from PIL import Image

from pipeline import tables
from pipeline.downloading import DOWNLOADS
from tests.closure import ROOT
from tests.stages.test_clean import _row


def _noise(number):
    import io

    pixels = np.random.default_rng(number).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(np.kron(pixels, np.ones((16, 16, 1), dtype=np.uint8))).save(stream, "PNG")
    return stream.getvalue()


def test_killed_at_twenty_moments_the_result_is_that_of_an_undisturbed_run(tmp_path):
    rows = [_row(f"{number:03d}", _noise(number * 7 % 90)) for number in range(100)]
    tables.write_shards([tables.from_rows(rows, DOWNLOADS)], tmp_path / "parts", DOWNLOADS, rows=25)
    command = [sys.executable, "-m", "tests.stages.killed_clean", str(tmp_path), "20", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["files"] == ["dropped.parquet", "funnel.png", "report.json", "samples.parquet"]
    assert told["killed"] == 20
    assert len(set(told["chunks"])) > 3  # the moments were not all the same
    assert told["different"] == 0
