"""What the operators are measured on: the paper's models in their real shapes or small ones, pictures and prompts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bench.pictures import jpeg
from bench.scale import architectures
from bench.scale.architectures import LLAMA, LlamaShape
from bench.scale.counting import PROMPT_TOKENS
from pipeline.work import ROW_KEY


@dataclass(frozen=True)
class Shapes:
    """What is run, and on how much."""

    blip: Any
    clip: dict[str, Any]
    llamas: dict[str, Any]
    pictures: int
    prompts: int
    alone: int
    """Items of the run that takes one at a time."""
    llm_batch: int


def real() -> Shapes:
    """The paper's models."""
    llamas = {size: architectures.llama_config(LLAMA[size]) for size in ("7B", "13B")}
    return Shapes(architectures.blip_config(), architectures.clip_config(), llamas, 2048, 8192, 64, 512)


def tiny() -> Shapes:
    """The same architectures, small enough for a processor."""
    blip = architectures.blip_config()
    small = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    for part in (blip.vision_config, blip.text_config):
        part.update(small)
    blip.vision_config.update({"image_size": 32})
    blip.text_config.update({"encoder_hidden_size": 16, "vocab_size": 128, "bos_token_id": 103})
    clip = architectures.clip_config()
    clip |= {
        "embed_dim": 8,
        "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 8, "head_width": 4, "layers": 1},
        "text_cfg": {**clip["text_cfg"], "width": 8, "heads": 2, "layers": 1},
    }
    llama = architectures.llama_config(LlamaShape(2, 16, 2, 24), vocab_size=256)
    return Shapes(blip, clip, {"tiny": llama}, pictures=3, prompts=6, alone=2, llm_batch=4)


def picture_rows(count: int) -> pa.Table:
    """Pictures of 512 x 768 px with both prompts; 32 different ones."""
    files = [jpeg(number) for number in range(min(count, 32))]
    return pa.table(
        {
            ROW_KEY: [f"{number:08d}" for number in range(count)],
            "image": pa.array([files[number % len(files)] for number in range(count)], pa.binary()),
            "simple_prompt": [f"picture number {number}" for number in range(count)],
            "complex_prompt": [f"picture number {number}, masterpiece, best quality" for number in range(count)],
        }
    )


def prompt_rows(count: int, vocabulary: int) -> tuple[pa.Table, list[int]]:
    """Different prompts and their tokens, start token included: 13.3 on average, unevenly long as captions are."""
    generator = np.random.default_rng(0)
    spread = generator.lognormal(0.0, 0.3, count)
    lengths = np.maximum(1, np.rint((PROMPT_TOKENS - 1) * spread / spread.mean())).astype(int)
    texts = [" ".join(f"w{word}" for word in generator.integers(3, vocabulary, length)) for length in lengths]
    return pa.table({ROW_KEY: texts}), [1 + int(length) for length in lengths]
