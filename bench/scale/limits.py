"""What breaks first: for each thing that grows with the records, how many of them one machine bears."""

import math
from dataclasses import dataclass

from bench.scale.assumptions import CARDS, ITEM_B, MACHINE
from bench.scale.costs import HOUR, MOMENTS_B, VECTOR_B, Costing, paper
from bench.scale.rates import Rates
from bench.scale.sizes import PAPER
from pipeline import grouping
from pipeline.cleaning import CleanParams

INDEX_B = 24
"""A key in the work store's index (pipeline.work)."""
ARROW_TEXT_B = 2**31
"""Bytes of text in one array of Arrow's ``string``, whose offsets have 32 bits."""
DAY = 24 * HOUR


@dataclass(frozen=True)
class Limit:
    """One thing that ends somewhere."""

    what: str
    records: float
    """How many records it bears, on the machine of the assumptions."""
    origin: str
    answer: str


def limits(rates: Rates) -> list[Limit]:
    """All limits, the first to be met first."""
    found = [*_of_memory(rates), *_of_time(Costing(PAPER, rates)), *_of_disk(Costing(PAPER, rates))]
    return sorted(found, key=lambda limit: limit.records)


def _of_memory(rates: Rates) -> list[Limit]:
    scored, kept = PAPER.scored / PAPER.records, PAPER.kept / PAPER.records
    held = MOMENTS_B + 2 * VECTOR_B
    computed = [
        Limit(
            "download: text of a column when all records are sorted in one table",
            ARROW_TEXT_B / ITEM_B,
            'tried: `sort_by` on 2.3 GB of text ends with Arrow\'s "offset overflow"; `meta_json` has 1.5 kB a record',
            "imports in portions (`sources.<import>.max_records`); beyond that the stage has to sort through files, as "
            "`scrape` does",
        ),
        Limit(
            "train: moments and one layer's vectors in memory",
            MACHINE.memory_b / (held * kept),
            f"computed: {held:,} bytes a pair",
            "`train.horizontal_flip: false` halves the moments; then reading by shards, which is not there yet",
        ),
        Limit(
            "work store: its index in memory",
            MACHINE.memory_b / INDEX_B,
            f"computed: {INDEX_B} bytes a key",
            "none needed before the others",
        ),
    ]
    return computed + [
        Limit(
            f"{stage}: rows in memory",
            MACHINE.memory_b / (cost * share),
            f"measured: {cost:,.0f} bytes a row (bench.{bench})",
            answer,
        )
        for stage, cost, share, bench, answer in _measured(rates, scored, kept)
    ]


def _measured(rates: Rates, scored: float, kept: float) -> list[tuple[str, float, float, str, str]]:
    portions = "fewer records: `sources.enabled`, `max_records`; several data sets"
    stages = [
        ("download", 1.0, portions),
        ("caption", 1.0, portions),
        ("clip_filter", 1.0, portions),
        ("review_export", scored, "a higher `clip.margin` keeps fewer pairs"),
        ("review_import", scored, "a higher `clip.margin` keeps fewer pairs"),
        ("embed", kept, portions),
    ]
    found = [
        (stage, rates("row_memory", f"{stage}_memory_b_a_row"), share, "row_memory", answer)
        for stage, share, answer in stages
    ]
    clean = rates("cleaning", "clean_memory_b_a_record")
    return [*found, ("clean", clean, 1.0, "cleaning", "none by setting: near duplicates need all rows side by side")]


def _of_time(costing: Costing) -> list[Limit]:
    listing, asking = (seconds / PAPER.records for seconds in costing.polite_s())
    patience, card = MACHINE.days * DAY, CARDS[0]
    people, cores = costing.total("person_s") / PAPER.records, costing.total("core_s") / PAPER.records
    return [
        Limit(
            "download: one host's rate limit",
            patience / asking,
            f"computed: {1 / asking:g} pictures a second (`download.requests_per_s`), {MACHINE.days:.0f} days",
            "imports instead of sites: `diffusiondb`, `parquet` (docs/data.md); hosts are asked beside each other",
        ),
        Limit(
            "scrape: one site's rate limit",
            patience / listing,
            f"computed: {1 / listing:g} records a second (`page_size` and `requests_per_s` of `sources.civitai`)",
            "imports",
        ),
        Limit(
            "review: one person",
            MACHINE.reviewer_hours * HOUR / people,
            f"assumed: {people * PAPER.records / PAPER.scored:g} s a pair, {MACHINE.reviewer_hours:.0f} hours",
            "several reviewers; a sample of the queue, which is sorted by doubt, with `review.require: false`",
        ),
        Limit(
            f"all models: one {card.name}",
            patience / (costing.gpu_h(card) * HOUR / PAPER.records),
            f"counted FLOP, {MACHINE.days:.0f} days",
            "`compute.engine: ray` with `compute.ray.actors` for caption, clip_filter, embed and latents; "
            "Accelerate for train",
        ),
        Limit(
            f"all decoding and encoding: {MACHINE.cores} cores",
            patience * MACHINE.cores / cores,
            "measured processor time (bench.pictures, bench.cleaning); clean, resize and latents use one process each",
            "`image.format: jpeg` spares most of resize; the engine decodes beside the model",
        ),
        Limit(
            "clean: near duplicates within a day on one core",
            _near_duplicates(DAY),
            "computed from the block search's own constants (pipeline.grouping), as for random hashes",
            "a smaller `clean.phash_distance`",
        ),
    ]


def _of_disk(costing: Costing) -> list[Limit]:
    every = costing.total("disk_b") / PAPER.records
    embed = next(cost for cost in costing.stages if cost.stage == "embed").disk_b / PAPER.records
    lean = every - embed * (1 - 1 / 40)
    return [
        Limit(
            "disk: everything twice, all 40 layers",
            MACHINE.disk_b / every,
            f"computed: {every / 1e3:,.0f} kB a record, output and work store",
            "`llm.layers: [40]`; `SUR_WORK` on another disk; finished stores deleted",
        ),
        Limit(
            "disk: the same with one layer",
            MACHINE.disk_b / lean,
            f"computed: {lean / 1e3:,.0f} kB a record",
            "`image.format: jpeg` (83 kB instead of 360); an object store as DVC remote",
        ),
    ]


def near_duplicates_s(rows: float) -> float:
    """Seconds of clean's search on one core: sorting once a choice of blocks, and looking at pairs that share them."""
    bits = paper(CleanParams, "clean").phash_distance
    blocks = grouping.block_count(round(rows), bits)
    equal = blocks - bits
    pairs = rows * rows / 2 / 2.0 ** (grouping.HASH_BITS * equal / blocks)
    return math.comb(blocks, equal) * (rows * grouping.SORTING * (equal > 0) + pairs * grouping.LOOKING) * 1e-9


def _near_duplicates(seconds: float) -> float:
    """The most rows that are searched in that time, by bisection on a scale of powers."""
    low, high = 3.0, 12.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if near_duplicates_s(10**middle) < seconds else (low, middle)
    return float(10**low)
