"""One pass over the generated images: each is read once for all metrics and for the judge."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline import cli, tables
from pipeline.generated import GENERATED
from pipeline.images import decode
from pipeline.metrics.clip_based import Scorer, cosines, paired_clip_score
from pipeline.metrics.comparison import ADAPTED, BASE
from pipeline.metrics.judging import Judge, judge_image, rate_image
from pipeline.prompts import Prompt
from pipeline.tables import KEY

IMAGES_AT_ONCE = 64
_NEEDED = tables.schema(*(GENERATED.field(name) for name in (KEY, "prompt_id", "image")))


@dataclass
class Measured:
    """What one pass found.

    Args:
        scale: the logit scale of the cosines.
        cosines: of image and text, by sample_id.
        verdicts: the judge's rows of judging.VERDICTS.
        qualities: the judge's word on each picture, 0 to 1, by sample_id; empty where it has none.
        judge: version of the judge; empty where there is none.
    """

    scale: float
    cosines: dict[str, float] = field(default_factory=dict)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    qualities: dict[str, float] = field(default_factory=dict)
    judge: str = ""


def measure(parts: Path, prompts: Mapping[str, Prompt], scorer: Scorer | None, judge: Judge | None) -> Measured:
    """Score and judge every image against its prompt's simple text, whatever text its arm was given.

    Args:
        parts: ``data/sample/parts``.
        prompts: by id; every image's prompt must be among them.
        scorer: a CLIP-like model, or None to leave the cosines out.
        judge: or None to leave verdicts and quality out.

    Raises:
        ValueError: the judge broke its contract; names judge and image.
    """
    found = Measured(scorer.logit_scale if scorer else 1.0, judge=judge.version if judge else "")
    with cli.progress(tables.shards(parts), "evaluate", unit="part") as shards:
        for rows in (rows for shard in shards for rows in _batches(shard)):
            if scorer:
                texts = scorer.texts([prompts[prompt_id].text for _, prompt_id, _ in rows])
                values = cosines(scorer.images([picture for _, _, picture in rows]), texts)
                found.cosines.update(zip((sample_id for sample_id, _, _ in rows), values.tolist(), strict=True))
            if judge:
                for sample_id, prompt_id, picture in rows:
                    found.verdicts += judge_image(judge, sample_id, picture, prompts[prompt_id].atoms)
                    quality = rate_image(judge, sample_id, picture)
                    if quality is not None:
                        found.qualities[sample_id] = quality
    return found


def _batches(shard: Path) -> Iterator[list[tuple[str, str, Image.Image]]]:
    """Sample id, prompt id and picture of some rows at a time."""
    for batch in tables.read(shard, _NEEDED).to_batches(IMAGES_AT_ONCE):
        yield [(row[KEY], row["prompt_id"], decode(row["image"]["bytes"])) for row in batch.to_pylist()]


def paired_scores(values: Mapping[str, float], scale: float) -> dict[str, float]:
    """The paper's CLIP Score of every image that has its partner: sample_id -> 0 to 1, a pair sums to 1.

    Args:
        values: cosines by sample_id, ``<prompt id>/<index>/<arm>``.
        scale: logit scale of the model that gave the cosines.
    """
    places = sorted({sample_id.rpartition("/")[0] for sample_id in values})
    places = [place for place in places if {f"{place}/{BASE}", f"{place}/{ADAPTED}"} <= values.keys()]
    base, ours = (np.array([values[f"{place}/{arm}"] for place in places]) for arm in (BASE, ADAPTED))
    shares = paired_clip_score(base, ours, scale)
    scores = {f"{place}/{ADAPTED}": float(share) for place, share in zip(places, shares, strict=True)}
    return scores | {f"{place}/{BASE}": float(1.0 - share) for place, share in zip(places, shares, strict=True)}
