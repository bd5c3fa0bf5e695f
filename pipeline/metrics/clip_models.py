"""CLIP-like models, of open_clip or of transformers: vectors of pictures and texts, their scale and their bias."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from pipeline.clip_score import Clip
from pipeline.errors import ModelError
from pipeline.metrics import whole_models
from pipeline.metrics.settings import ClipModel

Floats = npt.NDArray[np.float32]


class Logit(NamedTuple):
    """What a model makes of a cosine: scale x cosine + bias. CLIP's scale is about 100 and its bias 0."""

    scale: float
    bias: float


class Scorer(Protocol):
    """A CLIP-like model: unit vectors for pictures and texts in one space."""

    @property
    def logit(self) -> Logit:
        """The learned scale and bias."""

    def images(self, pictures: Sequence[Image.Image], /) -> Floats:
        """(n, d) unit vectors of RGB pictures."""

    def texts(self, texts: Sequence[str], /) -> Floats:
        """(n, d) unit vectors; what lies beyond the context is cut off."""


class OpenClip(Clip):
    """A model of open_clip with its own scale and bias.

    Raises:
        ModelError: the model cannot be loaded.
    """

    def __init__(self, config: ClipModel, device: str) -> None:
        super().__init__(config.open_clip(), device)

    @property
    def logit(self) -> Logit:
        """The learned scale, in the numbers that it was trained to, and SigLIP's bias."""
        return _logit(self._model)


class TransformersClip:
    """A CLIPModel or SiglipModel of transformers, from a folder or the hub.

    Raises:
        ModelError: the model cannot be loaded or is no CLIP-like one.
    """

    def __init__(self, config: ClipModel, device: str) -> None:
        self._model, self._processor = whole_models.load(("AutoModel", "AutoProcessor"), config, device)
        if not hasattr(self._model, "get_image_features") or not hasattr(self._model, "logit_scale"):
            raise ModelError(f"model {config.model} is a {type(self._model).__name__}, not CLIP-like")
        self._device, self._dtype = device, getattr(torch, config.dtype)
        is_siglip = "siglip" in self._model.config.model_type
        self._padding = "max_length" if is_siglip else True  # SigLIP was trained on padded texts and has no mask

    @property
    def logit(self) -> Logit:
        """The learned scale and, of SigLIP, bias."""
        return _logit(self._model)

    @torch.no_grad()
    def images(self, pictures: Sequence[Image.Image]) -> Floats:
        """(n, d) unit vectors of RGB pictures."""
        pixels = self._processor(images=list(pictures), return_tensors="pt")["pixel_values"]
        return _unit(self._model.get_image_features(pixel_values=pixels.to(self._device, self._dtype)))

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Floats:
        """(n, d) unit vectors, each text alone, so that its bits do not depend on the padding that others ask for."""
        return np.concatenate([self._text(text) for text in texts])

    def _text(self, text: str) -> Floats:
        longest = self._model.config.text_config.max_position_embeddings
        tokens = self._processor(
            text=[text], padding=self._padding, truncation=True, max_length=longest, return_tensors="pt"
        )
        return _unit(self._model.get_text_features(**tokens.to(self._device)))


def _logit(model: Any) -> Logit:
    """Both libraries call them by the same names."""
    bias = getattr(model, "logit_bias", None)
    scale = float(model.logit_scale.detach().float().exp())
    return Logit(scale, 0.0 if bias is None else float(bias.detach().float()))


def _unit(output: Any) -> Floats:
    """Vectors of length 1; transformers 5 gives an output object, of which the pooled projection is meant."""
    vectors = output if isinstance(output, torch.Tensor) else output.pooler_output
    unit: Floats = torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
    return unit


def load(config: ClipModel, device: str) -> Scorer:
    """The model that a setting names.

    Raises:
        ModelError: it cannot be loaded.
    """
    return OpenClip(config, device) if config.library == "open_clip" else TransformersClip(config, device)
