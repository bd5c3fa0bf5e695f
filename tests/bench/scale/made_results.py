"""A folder of made-up results for tests of the page."""

from bench.scale.rates import Rates
from pipeline.files import read_json, write_json
from tests.closure import ROOT

NEEDED = ("flops", "pictures", "cleaning", "row_memory", "downloads")


def copied(folder, **changed):
    """The committed results that the page cannot do without, in a folder of their own, some figures changed."""
    for name in NEEDED:
        kept = read_json(ROOT / "bench" / "results" / f"{name}.json")
        kept["figures"] |= changed.get(name, {})
        write_json(folder / f"{name}.json", kept)
    return Rates(folder)


def with_gpu(folder, card, **figures):
    """As if bench.real_shapes had run on a card."""
    machine = {"processor": "one", "cores": 1, "threads": 1, "torch": "2", "gpu": card}
    write_json(folder / "real_shapes.json", {"figures": figures, "machine": machine})
