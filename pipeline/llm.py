"""The LLM's settings and its cached vectors f_LLM(p_s): one Parquet file a layer (arXiv 2305.05189, Eq. 5).

Layers count from 1 as in the paper's Table 4: layer k is the residual stream after block k, before the final norm.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field, ValidationInfo, field_validator

from pipeline import tables
from pipeline.errors import InputError, ModelError
from pipeline.params import PARAMS, Section, wrong
from pipeline.pretrained import read_config
from pipeline.tables import KEY, column

Floats = npt.NDArray[np.float32]
Dtype = Literal["float32", "float16"]
ARROW = {"float32": pa.float32(), "float16": pa.float16()}

STATES = tables.schema(
    column(KEY, pa.string(), "the sample"),
    column("file", pa.string(), "Arrow IPC file beside this index that holds its token states"),
    column("row", pa.int64(), "first row in that file; samples with one prompt may share rows"),
    column("tokens", pa.int32(), "rows: one a token of the prompt, those that are pooled"),
)


class LlmParams(Section):
    """Section ``llm`` of params.yaml."""

    model: str = Field(min_length=1)
    """Local folder or Hugging Face id of a decoder of transformers (paper: LLaMA 7B, 13B, 33B)."""

    revision: str = Field(min_length=1)
    """A folder's content digest (its REVISION file), a hub model's commit."""

    layer: int = Field(ge=1)
    """The layer that training distils, from 1 to the LLM's number of layers (paper: 40 of LLaMA-13B)."""

    layers: Literal["all"] | tuple[int, ...]
    """The layers that are cached: "all", or a list such as [20, 40]; all 40 of 13B take 23.6 GB for 57,603 prompts."""

    dtype: Literal["float32", "bfloat16", "float16"]
    """What the LLM computes in; it changes the vectors visibly, pooling is always in float32."""

    quantisation: Literal["none", "8bit", "4bit"]
    """Weights in 8 or 4 bits (bitsandbytes, ``pip install .[quantised]``, a CUDA GPU): 33B in 33 or 17 GB; changes
    the vectors (paper: none)."""

    store_dtype: Dtype
    """What vectors and states are stored in; float16 holds values up to 65,504."""

    final_norm: bool
    """Whether the LLM's final norm is applied to each token before pooling (paper: no)."""

    pool_bos: bool
    """Whether the start token counts as one of the prompt's tokens; its vector is unlike all others (paper: no)."""

    states: Literal["pooled", "tokens", "blocks"]
    """What is cached: one mean-pooled vector a prompt; also the states of its tokens after one layer (LLM4GEN); or of
    its tokens before the first block and after each (LLMDiff-Adapter)."""

    states_layer: Annotated[int, Field(ge=1)] | Literal["last"]
    """The layer of ``tokens``, the deepest of ``blocks``; apart from ``llm.layer``, which re-runs nothing here."""

    @field_validator("layers", mode="plain")
    @classmethod
    def _all_or_a_list_with_the_layer(cls, value: Any, info: ValidationInfo) -> Literal["all"] | tuple[int, ...]:
        if value == "all":
            return "all"
        whole = isinstance(value, list | tuple) and all(type(item) is int and item >= 1 for item in value)
        if not whole or not value or len(set(value)) < len(value):
            raise ValueError('must be "all" or a list of different layers such as [20, 40]')
        if info.data.get("layer", value[0]) not in value:
            raise ValueError(f"must hold llm.layer, which is {info.data['layer']}")
        return tuple(sorted(value))


@dataclass(frozen=True)
class LlmShape:
    """Sizes of an LLM: number of blocks, and width d of its residual stream."""

    layers: int
    width: int


def shape(model: str, revision: str) -> LlmShape | None:
    """An LLM's sizes from its config.json; None where a hub model cannot be reached from here.

    Raises:
        ModelError: the folder has no config.json, or it does not say the sizes.
    """
    config = read_config(model, revision)
    if config is None:
        return None
    config = config.get("text_config", config)
    layers = config.get("num_hidden_layers", config.get("n_layer"))
    width = config.get("hidden_size", config.get("n_embd"))
    if layers is None or width is None:
        raise ModelError(f"model {model}: its config.json does not say num_hidden_layers and hidden_size")
    return LlmShape(layers, width)


def layer_count(model: str, revision: str) -> int | None:
    """The number n of an LLM's layers; None where a hub model cannot be reached from here."""
    found = shape(model, revision)
    return found.layers if found else None


def check_layers(config: LlmParams, n_layers: int, path: Path = PARAMS) -> None:
    """Refuse layers that the LLM does not have.

    Raises:
        SettingError: one line with the key, the range and the value.
    """
    if config.layer > n_layers:
        raise wrong("llm.layer", f"must be 1 to {n_layers} for this LLaMA, got {config.layer}", path)
    if config.layers != "all" and max(config.layers) > n_layers:
        raise wrong("llm.layers", f"must be 1 to {n_layers} for this LLaMA, got {max(config.layers)}", path)
    if config.states_layer != "last" and config.states_layer > n_layers:
        raise wrong("llm.states_layer", f"must be 1 to {n_layers} for this LLaMA, got {config.states_layer}", path)


def requested(config: LlmParams, n_layers: int) -> tuple[int, ...]:
    """The layers to cache, ascending."""
    return tuple(range(1, n_layers + 1)) if config.layers == "all" else config.layers


def states_layer(config: LlmParams, n_layers: int) -> int:
    """The deepest layer of the token states."""
    return n_layers if config.states_layer == "last" else config.states_layer


def facts(config: LlmParams) -> dict[str, str]:
    """What a file of vectors or states says of how it was made."""
    return {
        "llm": config.model,
        "revision": config.revision,
        "final_norm": str(config.final_norm).lower(),
        "pooling": "mean_with_bos" if config.pool_bos else "mean",
        "computed_in": config.dtype,
        "quantisation": config.quantisation,
    }


def embeddings(width: int, dtype: Dtype) -> pa.Schema:
    """The schema of one layer's file: a vector of ``width`` numbers for each sample."""
    return tables.schema(
        column(KEY, pa.string(), "the sample"),
        column("embedding", pa.list_(ARROW[dtype], width), "f_LLM(p_s): mean over the simple prompt's tokens"),
    )


def load_layer(path: Path, sample_ids: Sequence[str]) -> Floats:
    """One layer's vectors of some samples, in their order: shape (n, d), float32.

    Args:
        path: ``data/embed/layers/layer_20.parquet``.
        sample_ids: which samples; one may stand more than once.

    Raises:
        InputError: the layer is not cached, the file is damaged, or a sample is not in it.
    """
    try:
        table = pq.read_table(path, columns=[KEY, "embedding"], partitioning=None)
        width = table.schema.field("embedding").type.list_size
    except FileNotFoundError as error:
        raise InputError(_not_cached(path)) from error
    except (pa.ArrowInvalid, KeyError, AttributeError, OSError) as error:
        raise InputError(f"{path} is not a layer of vectors: {error}") from error
    rows = pc.index_in(pa.array(sample_ids, pa.string()), value_set=table.column(KEY))
    if rows.null_count:
        missing = sample_ids[rows.to_pylist().index(None)]
        raise InputError(f"{path} lacks {rows.null_count:,} samples, first {missing}: run dvc repro embed")
    flat = table.column("embedding").combine_chunks().flatten().to_numpy()
    vectors: Floats = flat.reshape(-1, width)[rows.to_numpy()].astype(np.float32)
    return vectors


def _not_cached(path: Path) -> str:
    number = re.search(r"(\d+)$", path.stem)
    layer = f"layer {number[1]} is not cached" if number else "it is not cached"
    return f"{path} is missing: {layer}, extend llm.layers (params.yaml) and run dvc repro embed"
