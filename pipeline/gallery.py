"""The pictures of a sampling: made method by method where they are missing, and given back in any order."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline import operating, painting, shots
from pipeline.errors import InputError
from pipeline.methods import conditions
from pipeline.methods.settings import PLAIN, CannyParams, MethodName
from pipeline.operating import Operator, Runner, Work
from pipeline.sample_settings import SampleParams
from pipeline.shots import Shot
from pipeline.vae import DiffusionParams


class Gallery:
    """Makes pictures and gives those that were made.

    Args:
        adapter_digest: part of the adapted pictures' keys, see :func:`pipeline.painting.adapter_digest`.
        config: decides the pictures, with the base model and the adapter.
        base: the base model.
        build: makes a method's operator; called only when a picture is missing.
        unit: pictures that are made and kept together.
        run: where.
    """

    def __init__(
        self,
        adapter_digest: str,
        config: SampleParams,
        base: DiffusionParams,
        *,
        build: Callable[[MethodName], Operator],
        unit: int,
        run: Runner,
    ) -> None:
        self._adapter_digest, self._config = adapter_digest, config
        self._build, self._unit, self._run = build, unit, run
        self._store = functools.cache(functools.partial(painting.store, config=config, base=base))
        self._keys: dict[str, str] = {}

    def make(self, wanted: Sequence[Shot]) -> None:
        """Make what is missing of one method's shots; before it the plain pictures that they are made from."""
        if not wanted:
            return
        method = wanted[0].method
        sources = source_pictures(method, wanted, self._config, plain=self._plain)
        keys = shots.work_keys(wanted, self._adapter_digest, sources)
        self._keys |= zip((shot.sample_id for shot in wanted), keys, strict=True)
        label = "sample" if method == PLAIN else f"sample, {method}"
        work = Work(label, functools.partial(self._build, method), operating.as_they_are, self._unit)
        rows = shots.work_table(wanted, keys, sources)
        rows = rows.sort_by("adapted")  # a unit of one arm is drawn by one U-Net, at one length
        self._run(work, rows, self._store(method))

    def _plain(self, wanted: Sequence[Shot]) -> list[bytes]:
        self.make([shot for shot in wanted if shot.sample_id not in self._keys])
        return self.pictures(wanted)

    def pictures(self, wanted: Sequence[Shot], column: str = "image") -> list[bytes]:
        """The PNGs of shots that were made, in their order."""
        found: dict[str, bytes] = {}
        for method in {shot.method for shot in wanted}:
            names = [shot.sample_id for shot in wanted if shot.method == method]
            taken = self._store(method).take([self._keys[name] for name in names])
            found |= zip(names, taken.column(column).to_pylist(), strict=True)
        return [found[shot.sample_id] for shot in wanted]


def source_pictures(
    method: MethodName,
    shots: Sequence[Shot],
    config: SampleParams,
    *,
    plain: Callable[[Sequence[Shot]], Sequence[bytes]],
) -> list[bytes] | None:
    """Each shot's source picture; None where the method takes none.

    Args:
        method: of all these shots.
        shots: what shall be made.
        config: section ``sample``.
        plain: makes the pictures of plain shots.

    Raises:
        InputError: a prompt has no file, or no complex wording where that is asked for.
    """
    chosen = {"canny": config.controlnets.canny, "seg": config.controlnets.seg}.get(method)
    match chosen:
        case None:
            return None
        case CannyParams(source="base" | "complex" as arm):
            if arm == "complex" and (lacking := [shot.prompt.id for shot in shots if shot.prompt.complex is None]):
                raise InputError(f"sample.controlnets.canny.source: prompt {lacking[0]} has no complex wording")
            return list(plain([shot.plain(arm) for shot in shots]))
    return [conditions.read(Path(str(chosen.folder)), shot.prompt.id, shot.index) for shot in shots]
