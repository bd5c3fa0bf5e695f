"""CLIP: how well a text fits a picture, and the paper's rule that keeps a pair (arXiv 2305.05189, section 3.1)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from PIL import Image
from pydantic import Field

from pipeline import tables
from pipeline.images import decode
from pipeline.model_folders import is_folder
from pipeline.params import Section
from pipeline.pretrained import opening
from pipeline.tables import column
from pipeline.vision_shim import ensure_torchvision
from pipeline.work import ROW_KEY

Floats = npt.NDArray[np.float32]

LOGIT_SCALE = 100.0
"""What a cosine is multiplied with: CLIP clips its learned scale at 100 (arXiv 2103.00020, section 2.5) and the
published ViT-B/32 sits there. Fixed here, so that scores and ``clip.margin`` mean the same for every model."""

RESULT = tables.schema(
    column("score_simple", pa.float32(), "100 x cosine of picture and simple prompt"),
    column("score_complex", pa.float32(), "100 x cosine of picture and complex prompt"),
    column("complex_truncated", pa.bool_(), "the complex prompt is longer than CLIP's context"),
)


class ClipParams(Section):
    """Section ``clip`` of params.yaml."""

    model: str = Field(min_length=1)
    """Folder in open_clip's form, Hugging Face id, or an architecture of open_clip (paper: ViT-B-32-quickgelu)."""

    revision: str = Field(min_length=1)
    """A folder's content digest, a hub model's commit, an architecture's pretrained tag (paper: openai)."""

    margin: float = Field(ge=-100.0, le=100.0)
    """A pair is kept if score_simple - score_complex is at least this; score units, 0 is the paper's rule."""


def keep(score_simple: Floats, score_complex: Floats, margin: float) -> npt.NDArray[np.bool_]:
    """The paper's rule, shape (n,): the simple prompt fits at least as well as the complex one; ties are kept.

    Args:
        score_simple: 100 x cosine of picture and simple prompt, shape (n,).
        score_complex: 100 x cosine of picture and complex prompt, shape (n,).
        margin: least difference in score units; above 0 is stricter, below 0 laxer than the paper.
    """
    kept: npt.NDArray[np.bool_] = np.asarray(score_simple, float) - np.asarray(score_complex, float) >= margin
    return kept


class ClipScorer:
    """An operator: ``key``, ``image``, ``simple_prompt``, ``complex_prompt`` in, ``key`` and RESULT out.

    A picture is encoded once for both prompts. Texts always fill CLIP's whole context, so a score does not depend on
    the rows beside it. All in float32.

    Args:
        model: a folder, a hub id or an architecture of open_clip.
        revision: the folder's digest, the hub's commit or the architecture's pretrained tag.
        device: a torch device.

    Raises:
        ModelError: the model cannot be loaded.
    """

    logit_scale = LOGIT_SCALE

    def __init__(self, model: str, revision: str, device: str) -> None:
        ensure_torchvision()
        import open_clip

        with opening(model, revision):
            name, tag = _open_clip_name(model, revision)
            self._model, _, self._transform = open_clip.create_model_and_transforms(name, pretrained=tag, device=device)
            self._tokenizer: Any = open_clip.get_tokenizer(name)
        self._model.eval()
        self._device = device
        self._context: int = self._model.context_length

    def __call__(self, table: pa.Table) -> pa.Table:
        """Score a batch of encoded pictures, each with both of its prompts."""
        simple, complex_ = (table.column(name).to_pylist() for name in ("simple_prompt", "complex_prompt"))
        pictures = self.images([decode(content) for content in table.column("image").to_pylist()])
        texts = self.texts([*simple, *complex_])  # (2 B, d)
        both = [LOGIT_SCALE * (pictures * part).sum(axis=1) for part in (texts[: len(simple)], texts[len(simple) :])]
        truncated = [self.truncated(text) for text in complex_]
        return pa.table([table.column(ROW_KEY), *both, pa.array(truncated)], names=[ROW_KEY, *RESULT.names])

    @torch.no_grad()
    def images(self, pictures: Sequence[Image.Image]) -> Floats:
        """Features of RGB pictures of any size: shape (n, d), length 1."""
        pixels = torch.stack([self._transform(picture) for picture in pictures])  # (n, 3, side, side)
        features: torch.Tensor = self._model.encode_image(pixels.to(self._device), normalize=True)
        return features.float().cpu().numpy()

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Floats:
        """Features of texts, cut at CLIP's context: shape (n, d), length 1."""
        tokens = self._tokenizer(list(texts))  # (n, context)
        features: torch.Tensor = self._model.encode_text(tokens.to(self._device), normalize=True)
        return features.float().cpu().numpy()

    def truncated(self, text: str) -> bool:
        """Whether a text is longer than CLIP's context, so that its end is not scored."""
        return _token_count(self._tokenizer, text) > self._context


def _token_count(tokenizer: Any, text: str) -> int:
    """Tokens of the whole text with start and end; open_clip's own tokenizer and its Hugging Face one count apart."""
    if hasattr(tokenizer, "encode"):
        return len(tokenizer.encode(text)) + 2
    return len(tokenizer.tokenizer(tokenizer.clean_fn(text), verbose=False).input_ids)


def _open_clip_name(model: str, revision: str) -> tuple[str, str | None]:
    """What open_clip calls the model, and its pretrained tag; a hub model is fetched at its commit first."""
    if is_folder(model):
        return f"local-dir:{Path(model).expanduser()}", None
    if "/" not in model:
        return model, revision
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.txt", "open_clip_*"]
    return f"local-dir:{snapshot_download(model, revision=revision, allow_patterns=patterns)}", None
