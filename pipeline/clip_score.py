"""CLIP through open_clip: features of pictures and of texts, and how well both prompts fit a picture."""

import functools
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from PIL import Image

from pipeline import tables
from pipeline.clip_rule import ClipParams
from pipeline.clip_text_tower import TextTower
from pipeline.clip_texts import Texts, Tokens
from pipeline.errors import ModelError
from pipeline.images import decode
from pipeline.model_folders import is_folder, verify_file
from pipeline.pretrained import opening
from pipeline.tables import column
from pipeline.vision_shim import ensure_torchvision
from pipeline.work import ROW_KEY

Floats = npt.NDArray[np.float32]

LOGIT_SCALE = 100.0
"""What a cosine is multiplied with: CLIP clips its learned scale at 100 (arXiv 2103.00020, section 2.5) and the
published ViT-B/32 sits there. Fixed here, so that scores and ``clip.margin`` mean the same for every model."""

PRECISIONS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
"""open_clip's names; in half precision it keeps the normalising layers in float32, as OpenAI did."""

FEATURES = tables.schema(column("embedding", pa.list_(pa.float32()), "CLIP's features of the picture, length 1"))
RESULT = tables.schema(
    column("score_simple", pa.float32(), "100 x cosine of picture and simple prompt"),
    column("score_complex", pa.float32(), "100 x cosine of picture and complex prompt"),
    column("simple_truncated", pa.bool_(), "the simple prompt is longer than CLIP's context"),
    column("complex_truncated", pa.bool_(), "the complex prompt is longer than CLIP's context"),
)
PROMPTS = ("simple", "complex")


def embeddings(width: int) -> pa.Schema:
    """The schema of the pictures' features that are kept: ``width`` numbers for each sample."""
    return tables.schema(
        column(tables.KEY, pa.string(), "the sample"),
        column("embedding", pa.list_(pa.float32(), width), "CLIP's features of its picture, length 1"),
    )


@functools.cache
def load(config: ClipParams, device: str) -> "Clip":
    """The model, loaded once a process: pictures and prompts are encoded by the same one."""
    return Clip(config, device)


class Prepared(NamedTuple):
    """Columns of one kind of prompt between preparing and scoring: :class:`pipeline.clip_texts.Tokens` row by row."""

    chunks: str
    counts: str
    longer: str

    @classmethod
    def of(cls, kind: str) -> "Prepared":
        """The columns of simple or of complex prompts."""
        return cls(f"{kind}_chunks", f"{kind}_counts", f"{kind}_truncated")


class Clip:
    """A CLIP with its transform of pictures and its tokenizer.

    A text is encoded at a length that is its own (:class:`pipeline.clip_text_tower.TextTower`), so features do not
    depend on the texts beside it. Features are brought to length 1 in float32, whatever the model computes in.

    Args:
        config: which model, in which dtype, and what becomes of long prompts.
        device: a torch device.

    Raises:
        ModelError: the model cannot be loaded, or it cannot cut long prompts as it is asked to.
    """

    logit_scale = LOGIT_SCALE

    def __init__(self, config: ClipParams, device: str) -> None:
        ensure_torchvision()
        import open_clip

        with _loading(config) as (name, weights):
            self._model, _, self._transform = open_clip.create_model_and_transforms(
                name,
                pretrained=weights,
                device=device,
                precision=PRECISIONS[config.dtype],
                require_pretrained=True,  # else open_clip goes on with random weights
            )
            tokenizer = open_clip.get_tokenizer(name)
        self._model.eval()
        self._device, self._dtype = device, getattr(torch, config.dtype)
        self.tokens = Texts(tokenizer, self._model.context_length, config.long_prompts)
        self._tower = TextTower(self._model, device)

    def pixels(self, picture: Image.Image) -> Floats:
        """An RGB picture of any size as the model takes it: shape (3, side, side)."""
        pixels: Floats = self._transform(picture).numpy()
        return pixels

    def images(self, pictures: Sequence[Image.Image]) -> Floats:
        """Features of RGB pictures of any size: shape (n, d), length 1."""
        return self.image_features(np.stack([self.pixels(picture) for picture in pictures]))

    @torch.no_grad()
    def image_features(self, pixels: Floats) -> Floats:
        """Features of transformed pictures, (n, 3, side, side): shape (n, d), length 1."""
        moved = torch.from_numpy(np.require(pixels, requirements="W")).to(self._device, self._dtype)
        return _unit(self._model.encode_image(moved).float())

    def texts(self, texts: Sequence[str]) -> Floats:
        """Features of texts, whatever lies beyond the context treated as the settings say: shape (n, d), length 1."""
        return self.text_features(self.tokens(texts), len(texts))

    @torch.no_grad()
    def text_features(self, texts: Sequence[Tokens], batch: int) -> Floats:
        """Features of texts as tokens: shape (n, d), length 1.

        A text of several chunks has the mean of their features, weighted by their numbers of tokens, brought to length
        1 afterwards (ADR 0020). The number of rows in a call of the model depends on ``batch`` and on a chunk's length
        alone: a text's last bits do not depend on how many chunks the others have.
        """
        rows = np.concatenate([text.chunks for text in texts])  # (all chunks, context)
        features = self._tower(rows, batch).split([len(text.counts) for text in texts])
        return _unit(torch.stack([_mean(part, text.counts) for part, text in zip(features, texts, strict=True)]))


def _mean(chunks: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
    """Mean of a text's chunks, (k, d), each weighted by its tokens; a single one is itself to the last bit."""
    if len(counts) == 1:
        return chunks[0]
    weights = torch.tensor(counts, dtype=torch.float32, device=chunks.device)
    return (weights[:, None] * chunks).sum(dim=0) / weights.sum()


def _unit(features: torch.Tensor) -> Floats:
    unit: Floats = torch.nn.functional.normalize(features, dim=-1).cpu().numpy()
    return unit


class PictureEncoder:
    """An operator: ``key`` and ``image`` (encoded bytes) in, ``key`` and FEATURES out."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip

    def prepare(self, rows: pa.Table) -> pa.Table:
        """Decode the pictures and bring them to the model's size: a column ``pixels`` in the place of ``image``."""
        pixels = np.stack([self._clip.pixels(decode(content)) for content in rows.column("image").to_pylist()])
        shape = pa.fixed_shape_tensor(pa.float32(), pixels.shape[1:])
        values = pa.FixedSizeListArray.from_arrays(pa.array(pixels.reshape(-1)), int(np.prod(pixels.shape[1:])))
        prepared = pa.ExtensionArray.from_storage(shape, values)
        return pa.table({ROW_KEY: rows.column(ROW_KEY), "pixels": prepared})

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Features of prepared pictures."""
        pixels = rows.column("pixels").combine_chunks().to_numpy_ndarray()  # (B, 3, side, side)
        features = self._clip.image_features(pixels)
        return pa.table({ROW_KEY: rows.column(ROW_KEY), "embedding": pa.array(list(features), pa.list_(pa.float32()))})


class PromptScorer:
    """An operator: ``key``, ``embedding`` (a picture's), ``simple_prompt``, ``complex_prompt`` in, ``key``, RESULT out.

    Each distinct text of a call is encoded once.
    """

    def __init__(self, clip: Clip) -> None:
        self._clip = clip

    def prepare(self, rows: pa.Table) -> pa.Table:
        """Both prompts as tokens."""
        columns = {ROW_KEY: rows.column(ROW_KEY), "embedding": rows.column("embedding")}
        texts = {kind: rows.column(f"{kind}_prompt").to_pylist() for kind in PROMPTS}
        distinct = list(dict.fromkeys(chain.from_iterable(texts.values())))
        known = dict(zip(distinct, self._clip.tokens(distinct), strict=True))
        for kind in PROMPTS:
            tokens, names = [known[text] for text in texts[kind]], Prepared.of(kind)
            columns[names.chunks] = pa.array([each.chunks.tobytes() for each in tokens], pa.binary())
            columns[names.counts] = pa.array([each.counts for each in tokens], pa.list_(pa.int64()))
            columns[names.longer] = pa.array([each.longer for each in tokens], pa.bool_())
        return pa.table(columns)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Scores of prepared rows."""
        pictures = np.array(rows.column("embedding").to_pylist(), dtype=np.float32)  # (B, d)
        both = [tokens for kind in PROMPTS for tokens in _read(rows, Prepared.of(kind))]
        place = {tokens.chunks.tobytes(): tokens for tokens in both}
        rank = {content: row for row, content in enumerate(place)}
        features = self._clip.text_features(list(place.values()), rows.num_rows)
        texts = features[[rank[tokens.chunks.tobytes()] for tokens in both]]  # (2 B, d)
        scores = [LOGIT_SCALE * (pictures * part).sum(axis=1) for part in np.split(texts, 2)]
        longer = [rows.column(Prepared.of(kind).longer) for kind in PROMPTS]
        return pa.table([rows.column(ROW_KEY), *scores, *longer], names=[ROW_KEY, *RESULT.names])


def _read(rows: pa.Table, names: Prepared) -> Iterator[Tokens]:
    columns = (rows.column(name).to_pylist() for name in names)
    for chunks, counts, longer in zip(*columns, strict=True):
        yield Tokens(np.frombuffer(chunks, np.int64).reshape(len(counts), -1), tuple(counts), longer)


@contextmanager
def _loading(config: ClipParams) -> Iterator[tuple[str, str | None]]:
    """Give what open_clip calls the model and its weights: a pretrained tag, a file, or none where they lie beside it.

    Raises:
        ModelError: whatever loads the model in the block failed.
    """
    from safetensors import SafetensorError

    if config.weights is not None:
        verify_file(config.weights, config.revision)
    with opening(config.model, config.revision):
        try:
            yield _open_clip_name(config)
        except (pickle.UnpicklingError, SafetensorError, EOFError) as error:
            raise ModelError(f"model {config.model} cannot be loaded from {config.weights}: {error}") from error


def _open_clip_name(config: ClipParams) -> tuple[str, str | None]:
    """What open_clip calls the model, and its weights; a hub model is fetched at its commit first."""
    if config.weights is not None:
        return config.model, str(Path(config.weights).expanduser())
    if is_folder(config.model):
        return f"local-dir:{Path(config.model).expanduser()}", None
    if "/" not in config.model:
        return config.model, config.revision
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.txt", "open_clip_*"]
    return f"local-dir:{snapshot_download(config.model, revision=config.revision, allow_patterns=patterns)}", None
