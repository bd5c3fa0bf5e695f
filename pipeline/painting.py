"""Making planned pictures: the operator, and the stores that keep what was made, one a method."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from pipeline import (
    block_states,
    branched_encoding,
    describing,
    diffusion,
    encoding,
    images,
    padded_states,
    prompt_states,
    sampling,
    state_packing,
    tables,
    text_encoding,
    unet_parts,
    vae,
)
from pipeline.adapters import folder, kinds, llm4gen, llmdiff, official, packing, score_sum, sur, two_branch
from pipeline.adapters.config import LlmRead
from pipeline.files import digest, file_digest
from pipeline.methods import building, conditions, weighting
from pipeline.methods.settings import CONTROLNETS, PLAIN, MethodName
from pipeline.sample_settings import SampleParams
from pipeline.sampling import Sampler, png
from pipeline.tables import column
from pipeline.vae import DiffusionParams
from pipeline.work import ROW_KEY, ResultStore, digests

RESULT = tables.schema(column("image", pa.binary(), "PNG"))
CONTROLLED = tables.schema(*RESULT, column("condition", pa.binary(), "what the ControlNet was shown, PNG"))
PLAIN_CODE = (
    *(sampling, encoding, diffusion, text_encoding, vae, unet_parts),
    *(kinds, sur, llm4gen, official),
    *(llmdiff, score_sum, two_branch, packing, branched_encoding),
)
STATES_CODE = (prompt_states, padded_states, block_states, *state_packing.CODE)
"""What beside it decides the pictures of an adapter that reads each prompt with the LLM."""


class Painter:
    """An operator: a table of :func:`pipeline.shots.work_table` in, ``key`` and ``image`` (PNG) out.

    Where the method takes conditioning pictures, ``condition`` (PNG) comes out too.

    Args:
        sampler: makes the pictures.
        batch: pictures a call; fewer are filled up with the last one (see :func:`pipeline.vae.filled`).
    """

    def __init__(self, sampler: Sampler, batch: int) -> None:
        self.sampler = sampler
        self.batch = 1 if sampler.method.alone else batch

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Make one batch."""
        wanted = rows.to_pylist()
        full = wanted + wanted[-1:] * (self.batch - len(wanted))
        conditions = self._conditions([row["source"] for row in full])
        texts, seeds, adapted = ([row[name] for row in full] for name in ("text", "seed", "adapted"))
        pictures = self.sampler.pictures(texts, seeds, adapted, conditions)
        made = {ROW_KEY: rows.column(ROW_KEY), "image": _pngs(pictures[: len(wanted)])}
        return pa.table(made if conditions is None else made | {"condition": _pngs(conditions[: len(wanted)])})

    def _conditions(self, sources: Sequence[bytes]) -> list[Image.Image] | None:
        prepare = self.sampler.method.prepare
        return None if prepare is None else [prepare(images.decode(source)) for source in sources]


def _pngs(pictures: Sequence[Image.Image]) -> pa.Array:
    return pa.array([png(picture) for picture in pictures], pa.binary())


def adapter_digest(adapter: Path, config: SampleParams) -> str:
    """What decides adapted pictures alone: the adapter's files, the code that runs the LLM for it, ``adapt_negative``.

    It is part of those pictures' keys and of no store's name, so that base pictures are not made again for it.

    Args:
        adapter: the adapter's folder.
        config: section ``sample``.

    Raises:
        ModelError: the folder is missing or damaged.
    """
    code = STATES_CODE if isinstance(folder.read_config(adapter).llm, LlmRead) else ()
    files = file_digest(adapter / folder.CONFIG)
    if not (code or config.adapt_negative):
        return files
    return digest([files, digests(code), config.adapt_negative])


def store(method: MethodName, config: SampleParams, base: DiffusionParams) -> ResultStore:
    """Named by what decides any picture beside its text, seed, adapter (:func:`adapter_digest`) and source picture.

    Which prompts and how many of them does not. Plain pictures know nothing of the methods, so that an edit there does
    not cost them.
    """
    denoising = dataclasses.replace(config.denoising, adapt_negative=False)  # in the adapted pictures' keys instead
    settings: dict[str, Any] = {"denoising": dataclasses.asdict(denoising), "base": base.model_dump()}
    if method == PLAIN:
        return ResultStore("sample", settings, RESULT, code=PLAIN_CODE)
    from pipeline import drop_in  # imports transformers

    settings["method"] = {method: _decisive(method, config)}
    code = (*PLAIN_CODE, building, conditions, weighting, drop_in, *([describing] if method == "weighting" else []))
    return ResultStore("sample", settings, CONTROLLED if method in CONTROLNETS else RESULT, code=code)


def _decisive(method: MethodName, config: SampleParams) -> dict[str, Any]:
    """A method's settings but for where its source pictures lie: their content is part of the rows' keys."""
    sections: Mapping[str, Any] = {
        "canny": config.controlnets.canny,
        "seg": config.controlnets.seg,
        "weighting": config.weighting,
        "panorama": config.panorama,
        "sag": config.sag,
        "pag": config.pag,
    }
    return dict(sections[method].model_dump(mode="json", exclude={"folder"}))
