"""Which pictures are made: the plan of both arms in paired seeds, what each is made from, and the operator."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline import tables
from pipeline.files import digest
from pipeline.prompts import Prompt
from pipeline.sample_settings import SampleParams
from pipeline.sampling import Sampler, png
from pipeline.seeds import seed_of
from pipeline.tables import column
from pipeline.work import ROW_KEY

BASE, ADAPTED, COMPLEX = "base", "adapted", "complex"
RESULT = tables.schema(column("image", pa.binary(), "PNG"))


@dataclass(frozen=True)
class Shot:
    """One picture to make."""

    prompt: Prompt
    index: int
    arm: str
    seed: int

    @property
    def sample_id(self) -> str:
        """Its key in the tables."""
        return f"{self.prompt.id}/{self.index:02d}/{self.arm}"

    @property
    def text(self) -> str:
        """What the model is given."""
        return self.prompt.complex or self.prompt.text if self.arm == COMPLEX else self.prompt.text

    @property
    def adapted(self) -> bool:
        """Whether the text states go through the adapter."""
        return self.arm == ADAPTED


def plan(prompts: Sequence[Prompt], config: SampleParams) -> list[Shot]:
    """All pictures, sorted by ``sample_id``; a prompt without complex wording has no complex arm.

    A seed is a pure function of ``sample.seed``, prompt and index: the same in all arms.
    """
    shots = [
        Shot(prompt, index, arm, seed_of(config.seed, prompt.id, index))
        for prompt in prompts
        for index in range(config.images_per_prompt)
        for arm in (BASE, ADAPTED, *config.reference_arms)
        if arm != COMPLEX or prompt.complex is not None
    ]
    return sorted(shots, key=lambda shot: shot.sample_id)


class Painter:
    """An operator: a table with ``key``, ``text``, ``seed`` and ``adapted`` in, ``key`` and ``image`` (PNG) out.

    Args:
        sampler: makes the pictures.
        batch: pictures a call; fewer are filled up with the last one (see :func:`pipeline.vae.filled`).
    """

    def __init__(self, sampler: Sampler, batch: int) -> None:
        self.sampler, self.batch = sampler, batch

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Make one batch."""
        wanted = rows.to_pylist()
        full = wanted + wanted[-1:] * (self.batch - len(wanted))
        pictures = self.sampler.pictures(*([row[name] for row in full] for name in ("text", "seed", "adapted")))
        images = [png(picture) for picture in pictures[: len(wanted)]]
        return pa.table({ROW_KEY: rows.column(ROW_KEY), "image": pa.array(images, pa.binary())})


def work_keys(shots: Sequence[Shot], adapter_digest: str) -> list[str]:
    """What each picture is made from: a base picture's key does not name the adapter, so it is made once for all."""
    return [digest([shot.text, shot.seed, adapter_digest if shot.adapted else None]) for shot in shots]


def work_table(shots: Sequence[Shot], keys: Sequence[str]) -> pa.Table:
    """The Painter's input."""
    return pa.table(
        {
            ROW_KEY: pa.array(keys, pa.string()),
            "text": pa.array([shot.text for shot in shots], pa.string()),
            "seed": pa.array([shot.seed for shot in shots], pa.int64()),
            "adapted": pa.array([shot.adapted for shot in shots], pa.bool_()),
        }
    )
