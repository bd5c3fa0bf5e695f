"""BLIP: one plain sentence for a picture, the simple prompt p_s (SUR-adapter, arXiv 2305.05189, section 3.1)."""

from collections.abc import Sequence

import pyarrow as pa
import torch
from PIL import Image
from pydantic import Field, ValidationInfo, field_validator

from pipeline import tables
from pipeline.errors import SettingError
from pipeline.images import decode
from pipeline.params import Section
from pipeline.pretrained import opening, quiet_transformers
from pipeline.tables import column
from pipeline.work import ROW_KEY

RESULT = tables.schema(column("simple_prompt", pa.string(), "p_s: BLIP's caption, may be empty"))
REPEATS = 3
LONGEST_UNIT = 3


class BlipParams(Section):
    """Section ``blip`` of params.yaml."""

    model: str = Field(min_length=1)
    """Local folder or Hugging Face id of a ``BlipForConditionalGeneration``."""

    revision: str = Field(min_length=1)
    """A folder's content digest (its REVISION file), a hub model's commit."""

    prompt: str
    """Words that the caption goes on from and that are cut off again; empty in transformers, LAVIS: "a picture of "."""

    beams: int = Field(ge=1, le=64)
    """Beams of the search; LAVIS takes 3. The search draws no random number."""

    min_length: int = Field(ge=0)
    """Least length in tokens, start token and ``prompt`` included (as BLIP counts); LAVIS takes 10."""

    max_length: int = Field(ge=2)
    """Greatest length in tokens, counted in the same way; LAVIS takes 30."""

    @field_validator("max_length")
    @classmethod
    def _not_below_the_least(cls, value: int, info: ValidationInfo) -> int:
        least = info.data.get("min_length", 0)
        if value < least:
            raise ValueError(f"must be at least blip.min_length ({least})")
        return value


class Captioner:
    """An operator: a table with ``key`` and ``image`` (encoded bytes) in, ``key`` and ``simple_prompt`` out.

    Every picture has one size after BLIP's processor and the prompt is the same for all, so nothing is padded and a
    caption does not depend on the pictures beside it.

    Args:
        config: which BLIP, and how it searches.
        device: a torch device.

    Raises:
        ModelError: the model cannot be loaded.
        SettingError: ``blip.max_length`` is beyond what this BLIP can say.
    """

    def __init__(self, config: BlipParams, device: str) -> None:
        quiet_transformers()
        from transformers import AutoImageProcessor, AutoTokenizer, BlipForConditionalGeneration

        with opening(config.model, config.revision) as (name, revision):
            # Pillow's bicubic is what BLIP was trained with; torchvision's differs by a grey level here and there.
            self._processor = AutoImageProcessor.from_pretrained(name, revision=revision, backend="pil")
            self._tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
            model = BlipForConditionalGeneration.from_pretrained(name, revision=revision, dtype=torch.float32)
        limit = model.config.text_config.max_position_embeddings
        if config.max_length > limit:
            raise SettingError(f"blip.max_length must be at most {limit} for this BLIP, got {config.max_length}")
        self._model = model.to(device).eval()
        self._device = device
        self._config = config
        self._prompt: list[int] = self._tokenizer(config.prompt).input_ids  # [CLS] words [SEP]

    def __call__(self, table: pa.Table) -> pa.Table:
        """Caption a batch of encoded pictures."""
        pictures = [decode(content) for content in table.column("image").to_pylist()]
        return pa.table({ROW_KEY: table.column(ROW_KEY), "simple_prompt": pa.array(self.captions(pictures))})

    @torch.no_grad()
    def captions(self, pictures: Sequence[Image.Image]) -> list[str]:
        """One caption for each RGB picture of any size, without ``blip.prompt``."""
        pixels = self._processor(images=list(pictures), return_tensors="pt").pixel_values  # (B, 3, side, side)
        prompt = torch.tensor([self._prompt] * len(pictures))  # (B, words + 2)
        tokens = self._model.generate(
            pixel_values=pixels.to(self._device),
            input_ids=prompt.to(self._device),  # BLIP puts its own start token first and cuts [SEP] off
            attention_mask=torch.ones_like(prompt, device=self._device),
            num_beams=self._config.beams,
            min_length=self._config.min_length,
            max_length=self._config.max_length,
            do_sample=False,
        )
        said = tokens[:, len(self._prompt) - 1 :]
        return [" ".join(text.split()) for text in self._tokenizer.batch_decode(said, skip_special_tokens=True)]


def fault(caption: str) -> str | None:
    """Why a caption cannot stay: ``no_caption``, ``repeated_words`` (1 to 3 words said 3 times in a row), or None."""
    words = caption.lower().split()
    if not words:
        return "no_caption"
    stuck = any(_repeats(words, start, unit) for unit in range(1, LONGEST_UNIT + 1) for start in range(len(words)))
    return "repeated_words" if stuck else None


def _repeats(words: Sequence[str], start: int, unit: int) -> bool:
    first = words[start : start + unit]
    return all(words[start + n * unit : start + (n + 1) * unit] == first for n in range(1, REPEATS))
