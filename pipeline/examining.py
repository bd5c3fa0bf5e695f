"""Looking at all downloaded rows, a shard at a time: what :mod:`pipeline.deciding` decides by."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline import deciding, images, operating, picture_facts, samples, tables
from pipeline.cleaning import HeldOut, Wording
from pipeline.deciding import Evidence
from pipeline.downloading import DOWNLOADS_WITHOUT_IMAGE
from pipeline.operating import Work
from pipeline.picture_facts import FACTS, measure
from pipeline.tables import KEY
from pipeline.work import ROW_KEY, ResultStore

BATCH = 250  # pictures that a kill can cost
EXAMINED = tables.select(DOWNLOADS_WITHOUT_IMAGE, [*deciding.NAMES, "complex_prompt", "nsfw_level"])


@dataclass(frozen=True)
class Examined:
    """All rows, in the order of ``sample_id``."""

    names: pa.StringArray
    """Their ids."""
    evidence: Evidence
    known: frozenset[str]
    """Entries of the takedown list that mean one of them."""


def examine(parts: Path, *, taken_down: AbstractSet[str], held_out: HeldOut, wording: Wording) -> Examined:
    """Measure what the work store does not know yet, and gather what decides.

    Args:
        parts: shards of DOWNLOADS.
        taken_down: names of the takedown list.
        held_out: prompts that must not be learned.
        wording: what the words of a prompt are dropped for.
    """
    paths = tables.shards(parts)
    evidence = np.zeros(sum(tables.count(path) for path in paths), deciding.EVIDENCE)
    store = ResultStore("clean", {"facts": "size, phash, 8 x 8 thumbnail"}, FACTS, code=(picture_facts, images))
    names, known, start = list[pa.Array](), set[str](), 0
    for path in paths:
        rows = tables.read(path, EXAMINED)
        facts = _measured(path, rows, store)
        evidence[start : start + rows.num_rows] = deciding.evidence_of(
            rows, facts, taken_down=taken_down, held_out=held_out, wording=wording
        )
        known.update(name for row in deciding.names_of(rows) for name in row if name in taken_down)
        names += rows.column(KEY).chunks
        start += rows.num_rows
    return Examined(pa.chunked_array(names, pa.string()).combine_chunks(), evidence, frozenset(known))


def _measured(path: Path, rows: pa.Table, store: ResultStore) -> pa.Table:
    """The facts of each row's picture, in the order of the rows; equal bytes are measured once."""
    keys = rows.column("image_sha256").to_pylist()
    wanted = pa.table({ROW_KEY: keys, KEY: rows.column(KEY), "part": [path.name] * len(keys)})
    work = Work(f"clean {path.stem}", lambda: measure, partial(samples.add_images, path.parent), BATCH)
    operating.local(work, wanted, store)
    return store.take(keys)
