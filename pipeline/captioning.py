"""BLIP: one plain sentence for a picture, the simple prompt p_s (SUR-adapter, arXiv 2305.05189, section 3.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import torch
from pydantic import Field, ValidationInfo, field_validator

from pipeline import tables
from pipeline.blip_pictures import Pictures, levels_of, normalised
from pipeline.blip_sampling import Nucleus, draws
from pipeline.errors import SettingError
from pipeline.params import Section
from pipeline.pretrained import opening, quiet_transformers
from pipeline.tables import column
from pipeline.work import ROW_KEY

RESULT = tables.schema(
    column("simple_prompt", pa.string(), "p_s: BLIP's caption, may be empty"),
    column("caption_truncated", pa.bool_(), "blip.max_length was reached before the caption's end"),
)
REPEATS = 3
LONGEST_UNIT = 3
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class BlipParams(Section):
    """Section ``blip`` of params.yaml. Settings of the other decoding are left empty: none is there unread."""

    backend: Literal["transformers", "lavis"]
    """Whose code runs BLIP: transformers, or salesforce-lavis as in the paper (after ``make lavis``; ADR 0019)."""

    model: str = Field(min_length=1)
    """Local folder or Hugging Face id of a ``BlipForConditionalGeneration``, for both backends."""

    revision: str = Field(min_length=1)
    """A folder's content digest (its REVISION file), a hub model's commit."""

    dtype: Literal["float32", "bfloat16", "float16"]
    """Of weights and arithmetic: the half ones save time and memory on a GPU and may change a caption here or there."""

    prompt: str
    """Words that the caption goes on from and that are cut off again; empty in transformers, LAVIS: "a picture of "."""

    decoding: Literal["beam", "nucleus"]
    """``beam`` searches for the likeliest caption and draws no random number; ``nucleus`` samples one."""

    beams: int | None = Field(ge=1, le=64)
    """Beams of the search, 1 is greedy; LAVIS takes 3. Empty for ``nucleus``."""

    top_p: float | None = Field(gt=0.0, le=1.0)
    """Share of the probability from whose likeliest tokens the next is drawn; LAVIS takes 0.9. Empty for ``beam``."""

    seed: int | None = Field(ge=0)
    """Of the draws; each picture has draws of its own, whatever its batch. Empty for ``beam``."""

    repetition_penalty: float = Field(ge=1.0, le=10.0)
    """Divides a logit above 0 of every token said before, multiplies one below (arXiv 1909.05858, section 4.1); 1 does
    nothing. LAVIS takes 1 for beams and 1.1 for nucleus."""

    min_length: int = Field(ge=0)
    """Least length in tokens, start token and ``prompt`` included (as BLIP counts); LAVIS takes 10."""

    max_length: int = Field(ge=2)
    """Greatest length in tokens, counted in the same way; LAVIS takes 30."""

    @field_validator("beams", "top_p", "seed")
    @classmethod
    def _belongs_to_the_decoding(cls, value: float | None, info: ValidationInfo) -> float | None:
        own = "beam" if info.field_name == "beams" else "nucleus"
        if "decoding" not in info.data:  # it is wrong itself, and told so
            return value
        chosen = info.data["decoding"] == own
        if chosen and value is None:
            raise ValueError(f"must be set where blip.decoding is {own}")
        if not chosen and value is not None:
            raise ValueError(f"is read only where blip.decoding is {own}: leave it empty")
        return value

    @field_validator("max_length")
    @classmethod
    def _not_below_the_least(cls, value: int, info: ValidationInfo) -> int:
        least = info.data.get("min_length", 0)
        if value < least:
            raise ValueError(f"must be at least blip.min_length ({least})")
        return value


@dataclass(frozen=True)
class Blip:
    """A BLIP as transformers loads it, on the CPU in float32."""

    model: Any
    tokenizer: Any
    processor: Any


def open_blip(config: BlipParams) -> Blip:
    """Load the model that the settings name.

    Raises:
        ModelError: the model cannot be loaded.
        SettingError: ``blip.max_length`` is beyond what this BLIP can say.
    """
    quiet_transformers()
    from transformers import AutoImageProcessor, AutoTokenizer, BlipForConditionalGeneration

    with opening(config.model, config.revision) as (name, revision):
        # Pillow's bicubic is what BLIP was trained with; torchvision's differs by a grey level here and there.
        processor = AutoImageProcessor.from_pretrained(name, revision=revision, backend="pil")
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
        model = BlipForConditionalGeneration.from_pretrained(name, revision=revision, dtype=torch.float32)
    limit = model.config.text_config.max_position_embeddings
    if config.max_length > limit:
        raise SettingError(f"blip.max_length must be at most {limit} for this BLIP, got {config.max_length}")
    return Blip(model.eval(), tokenizer, processor)


def prompt_tokens(config: BlipParams, tokenizer: Any) -> list[int]:
    """``blip.prompt`` with [CLS] and [SEP].

    Raises:
        SettingError: it leaves no token for a caption.
    """
    tokens: list[int] = tokenizer(config.prompt).input_ids
    before = len(tokens) - 1  # a start token stands for [CLS], [SEP] is cut off
    if before >= config.max_length:
        raise SettingError(
            f"blip.prompt is {before} tokens with the start token, so blip.max_length must be more, got"
            f" {config.max_length}"
        )
    return tokens


class Captioner:
    """An operator over pictures that :meth:`prepare` made ready: ``key`` and ``pixels`` in, ``key`` and RESULT out.

    Every picture has one size after BLIP's processor and the prompt is the same for all, so nothing is padded and a
    caption does not depend on the pictures beside it; sampling draws from numbers of the picture's own.

    Args:
        config: which BLIP, and how it searches.
        device: a torch device.
        blip: the model, where it is loaded already.

    Raises:
        ModelError: the model cannot be loaded.
        SettingError: ``blip.max_length`` is beyond what this BLIP can say, or no longer than ``blip.prompt``.
    """

    def __init__(self, config: BlipParams, device: str, blip: Blip | None = None) -> None:
        blip = blip or open_blip(config)
        self._config, self._device = config, device
        self._dtype = DTYPES[config.dtype]
        self._model = blip.model.to(device, self._dtype)
        self._tokenizer = blip.tokenizer
        self._end: int = blip.model.config.text_config.sep_token_id
        self._prompt = prompt_tokens(config, blip.tokenizer)
        self._pictures = Pictures(blip.processor)
        self._levels = self._pictures.levels.to(device)

    def prepare(self, rows: pa.Table) -> pa.Table:
        """As :meth:`pipeline.blip_pictures.Pictures.prepare`."""
        return self._pictures.prepare(rows)

    @torch.no_grad()
    def __call__(self, rows: pa.Table) -> pa.Table:
        """Caption a batch of prepared pictures, without ``blip.prompt``."""
        keys = rows.column(ROW_KEY)
        tokens = self._generate(normalised(levels_of(rows), self._levels, self._dtype), keys.to_pylist())
        said = tokens[:, len(self._prompt) - 1 :].cpu()  # BLIP's start token stands for [CLS], [SEP] was cut off
        texts = self._tokenizer.batch_decode(said, skip_special_tokens=True)
        return result(keys, texts, (said != self._end).all(dim=1))

    def _generate(self, pixels: torch.Tensor, keys: Sequence[str]) -> torch.Tensor:
        """Tokens with start and prompt: shape (B, at most max_length)."""
        config = self._config
        prompt = torch.tensor([self._prompt] * len(keys), device=self._device)  # (B, words + 2)
        tokens: torch.Tensor = self._model.generate(
            pixel_values=pixels,
            input_ids=prompt,  # BLIP puts its own start token first and cuts [SEP] off
            attention_mask=torch.ones_like(prompt),
            num_beams=config.beams or 1,
            logits_processor=self._sampling(keys),
            repetition_penalty=config.repetition_penalty,
            min_length=config.min_length,
            max_length=config.max_length,
            do_sample=False,
        )
        return tokens

    def _sampling(self, keys: Sequence[str]) -> Any:
        """Comes after the processors for lengths and repetitions, so that what they forbid is never drawn."""
        from transformers import LogitsProcessorList

        config = self._config
        if config.top_p is None or config.seed is None:
            return LogitsProcessorList()
        numbers = draws(keys, config.seed, config.max_length).to(self._device)
        return LogitsProcessorList([Nucleus(config.top_p, numbers)])


def result(keys: pa.ChunkedArray, texts: Sequence[str], truncated: torch.Tensor) -> pa.Table:
    """Rows of RESULT with their key; whitespace is made single."""
    tidy = pa.array([" ".join(text.split()) for text in texts], pa.string())
    return pa.table([keys, tidy, pa.array(truncated.tolist(), pa.bool_())], names=[ROW_KEY, *RESULT.names])


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
