import subprocess
import sys

from tests.closure import ROOT


def test_the_list_names_every_bench_and_no_helper():
    listed = subprocess.run([sys.executable, "-m", "bench"], cwd=ROOT, check=True, capture_output=True, text=True)
    names = {line.split()[2].removeprefix("bench.") for line in listed.stdout.splitlines()}
    assert {"cleaning", "downloads", "pictures", "real_shapes", "row_memory", "scale"} <= names
    assert "results" not in names
