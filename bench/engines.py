"""Engine ``ray`` beside ``local``: two workers of one thread against one, captioning with the miniature's BLIP on CPU.

A cluster of this machine is up before anything is timed, with as many logical CPUs as the engine itself declares. All
workers of a run have loaded their weights when its clock starts (each waits for the others), so that a ratio says what
computing gains; ``start_s`` is the rest, from the call of the engine to the first result's beginning. Rounds take
turns, figures are medians, the ratio is the median of the rounds'. Needs the extra ray and two cores that do nothing
else.
"""

import io
import os
import random
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pyarrow as pa

from bench.results import save
from miniature.world import draw, sample_scene
from pipeline import captioning, operating, ray_engine
from pipeline.captioning import BlipParams, Captioner
from pipeline.operating import Batches, BatchSize, Operator, Work
from pipeline.params import load
from pipeline.ray_pool import RayParams, local_cpus
from pipeline.work import ROW_KEY, ResultStore

COUNT = 960  # some ten seconds for two workers: shorter ones differ by a third from round to round
UNIT = 16
ROUNDS = 3


@dataclass(frozen=True)
class Build:
    """Builds the captioner in a worker and gives it out when all workers have theirs."""

    config: BlipParams
    ready: Path
    workers: int

    def __call__(self) -> Operator:
        """A captioner on one thread."""
        import torch

        torch.set_num_threads(1)
        operator = Batches(Captioner(self.config, "cpu"), BatchSize(UNIT, "cpu", "UNIT"))
        (self.ready / str(os.getpid())).touch()
        while len(list(self.ready.iterdir())) < self.workers:
            time.sleep(0.01)
        return operator


def pictures() -> pa.Table:
    """Rows with an encoded picture each."""
    rng = random.Random(0)
    content = []
    for index in range(COUNT):
        stream = io.BytesIO()
        draw(sample_scene(rng), index).save(stream, "PNG")
        content.append(stream.getvalue())
    return pa.table({ROW_KEY: [str(index) for index in range(COUNT)], "image": pa.array(content, pa.binary())})


def timed(run: operating.Runner, rows: pa.Table, workers: int) -> tuple[float, float, dict[str, bytes]]:
    """Seconds until all workers were ready, seconds from there to the end, and the chunks that were written."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SUR_WORK"] = folder
        ready = Path(folder) / "ready"
        ready.mkdir()
        store = ResultStore("caption", {}, captioning.RESULT)
        last = [0.0]
        note = store.note

        def noted(written: str) -> None:
            note(written)
            last[0] = time.time()

        store.note = noted  # type: ignore[method-assign]
        began = time.time()
        build = Build(load(BlipParams, "blip"), ready, workers)
        run(Work("caption", build, operating.as_they_are, UNIT), rows, store)
        begun = max(path.stat().st_mtime for path in ready.iterdir())
        chunks = {path.name: path.read_bytes() for path in store.folder.glob("chunk-*.parquet")}
        shutil.rmtree(store.folder)
        return begun - began, last[0] - begun, chunks


def main() -> None:
    """Run all rounds, print and save."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    head = {"num_cpus": local_cpus(), "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)

    def pool(actors: int) -> operating.Runner:
        settings = {"address": cluster.address, "actors": actors, "cpus_per_actor": 1.0, "gpus_per_actor": 0.0}
        return ray_engine.runner(RayParams.model_validate(settings))

    ways = {"local": (operating.local, 1), "one": (pool(1), 1), "two": (pool(2), 2)}
    rows = pictures()
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    reference = None
    try:
        for _ in range(ROUNDS):
            for way, (run, workers) in ways.items():
                start, spent, chunks = timed(run, rows, workers)
                reference = reference or chunks
                if chunks != reference:
                    raise SystemExit(f"{way} gives other bytes than local")
                found[way].append((start, spent))
                print(f"{way:8}{start:8.1f} s to start{COUNT / spent:10.1f} pictures a second", flush=True)
    finally:
        cluster.shutdown()
    spent_s = {way: median(spent for _, spent in rounds) for way, rounds in found.items()}
    figures = {
        "pictures": float(COUNT),
        "local_pictures_a_s": COUNT / spent_s["local"],
        "ray_one_worker_pictures_a_s": COUNT / spent_s["one"],
        "ray_two_workers_pictures_a_s": COUNT / spent_s["two"],
        "ray_two_workers_to_one": median(
            one / two for (_, one), (_, two) in zip(found["one"], found["two"], strict=True)
        ),
        "ray_one_worker_to_local": spent_s["local"] / spent_s["one"],
        "ray_two_workers_start_s": median(start for start, _ in found["two"]),
    }
    for name, value in figures.items():
        print(f"{name:36}{value:10.2f}")
    save("engines", {name: round(value, 3) for name, value in figures.items()})


if __name__ == "__main__":
    main()
