"""Which pictures are made: the plan of all methods and arms in paired seeds, and what each is made from."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from pipeline import expanded_prompts, prompts
from pipeline.arms import ADAPTED, BASE
from pipeline.files import digest
from pipeline.methods.settings import PLAIN, MethodName
from pipeline.prompts import Prompt
from pipeline.sample_settings import SampleParams
from pipeline.seeds import seed_of
from pipeline.work import ROW_KEY


@dataclass(frozen=True)
class Shot:
    """One picture to make."""

    prompt: Prompt
    index: int
    arm: str
    seed: int
    method: MethodName = PLAIN

    @property
    def sample_id(self) -> str:
        """Its key in the tables; plain sampling is not named in it."""
        name = f"{self.prompt.id}/{self.index:02d}/{self.arm}"
        return name if self.method == PLAIN else f"{name}/{self.method}"

    @property
    def text(self) -> str:
        """What the model is given."""
        return self.prompt.text_of(self.arm) or self.prompt.text

    @property
    def adapted(self) -> bool:
        """Whether the text states go through the adapter."""
        return self.arm == ADAPTED

    def plain(self, arm: str) -> "Shot":
        """The same prompt, index and noise without a method, in an arm."""
        return replace(self, arm=arm, method=PLAIN)


def chosen(config: SampleParams) -> list[Prompt]:
    """The prompts in force, each with its LLM-expanded wording where there is one.

    Raises:
        InputError: a prompt file or ``sample.expanded`` is missing or damaged.
    """
    every = expanded_prompts.add(prompts.read(config.prompts), config.expanded)
    return prompts.first_of_each_type(every, config.limit_per_type)


def plan(prompts: Sequence[Prompt], config: SampleParams) -> list[Shot]:
    """All pictures, sorted by ``sample_id``; a prompt without a reference arm's wording has no such arm.

    A seed is a pure function of ``sample.seed``, prompt and index: the same in all arms and methods.
    """
    cells = [(method, arm) for method in config.methods for arm in (BASE, ADAPTED)]
    cells += [(PLAIN, arm) for arm in config.reference_arms if PLAIN in config.methods]
    shots = [
        Shot(prompt, index, arm, seed_of(config.seed, prompt.id, index), method)
        for prompt in prompts
        for index in range(config.images_per_prompt)
        for method, arm in cells
        if prompt.text_of(arm) is not None
    ]
    return sorted(shots, key=lambda shot: shot.sample_id)


def work_keys(shots: Sequence[Shot], adapter_digest: str, sources: Sequence[bytes] | None = None) -> list[str]:
    """What each picture is made from, beside its method's settings.

    A base picture's key does not name the adapter, so it is made once for all.

    Args:
        shots: of one method.
        adapter_digest: of all that decides adapted pictures alone.
        sources: the shots' source pictures, where the method takes them.
    """
    parts = [[shot.text, shot.seed, adapter_digest if shot.adapted else None] for shot in shots]
    if sources is not None:
        parts = [[*part, hashlib.sha256(source).hexdigest()] for part, source in zip(parts, sources, strict=True)]
    return [digest(part) for part in parts]


def work_table(shots: Sequence[Shot], keys: Sequence[str], sources: Sequence[bytes] | None = None) -> pa.Table:
    """The input of :class:`pipeline.painting.Painter`; ``source`` is null where the method takes none."""
    return pa.table(
        {
            ROW_KEY: pa.array(keys, pa.string()),
            "text": pa.array([shot.text for shot in shots], pa.string()),
            "seed": pa.array([shot.seed for shot in shots], pa.int64()),
            "adapted": pa.array([shot.adapted for shot in shots], pa.bool_()),
            "source": pa.nulls(len(shots), pa.binary()) if sources is None else pa.array(sources, pa.binary()),
        }
    )
