"""A Stable Diffusion in the real architecture, so small that it is made in a second, and a data set for it."""

import atexit
import functools
import io
import random
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from ruamel.yaml import YAML

from pipeline import diffusion, llm, model_folders, samples, state_files, tables
from pipeline.vision_shim import ensure_torchvision

WIDTH, SIDE, CHANNELS = 16, 16, 4
LLM_WIDTH = 12
COLOURS = ("red", "green", "blue", "black")


def kept_folder(name) -> Path:
    """A new folder, kept until the process ends."""
    keeper = tempfile.TemporaryDirectory(prefix=f"{name}-")
    atexit.register(keeper.cleanup)
    return Path(keeper.name)


@functools.cache
def folder() -> Path:
    """The model as a folder, made once a test run."""
    path = kept_folder("tiny-diffusion")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _write(path)
    model_folders.write_revision(path)
    return path


def revision():
    return model_folders.folder_digest(folder())


def load(dtype=torch.float32):
    return diffusion.load(str(folder()), revision(), device="cpu", dtype=dtype)


def _write(path):
    ensure_torchvision()
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=600, hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=77, bos_token_id=0, eos_token_id=1, pad_token_id=1,
        )
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(4, 8), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=CHANNELS, norm_num_groups=2, layers_per_block=1,
        sample_size=SIDE,
    )  # fmt: skip
    unet = UNet2DConditionModel(
        sample_size=SIDE // 2, in_channels=CHANNELS, out_channels=CHANNELS, cross_attention_dim=WIDTH,
        block_out_channels=(8, 16), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), layers_per_block=1, norm_num_groups=4, attention_head_dim=4,
    )  # fmt: skip
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1,
    )  # fmt: skip
    made = StableDiffusionPipeline(
        vae=vae, text_encoder=text_encoder, tokenizer=_tokenizer(), unet=unet, scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    made.save_pretrained(path)


def _tokenizer():
    from transformers import CLIPTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,"
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    return CLIPTokenizer(vocab={token: index for index, token in enumerate(vocabulary)}, merges=[], model_max_length=77)


def picture(seed):
    """A SIDE x SIDE square with a rectangle in it."""
    draw = random.Random(seed)
    values = np.full((SIDE, SIDE, 3), 255, np.uint8)
    left, upper = draw.randrange(8), draw.randrange(8)
    values[upper : upper + 6, left : left + 6] = [draw.randrange(256) for _ in range(3)]
    return Image.fromarray(values)


def encoded(picture_):
    stream = io.BytesIO()
    picture_.save(stream, "PNG")
    return stream.getvalue()


def write_pictures(folder_, train=10, val=3):
    """Shards of SURD with splits train and val."""
    rows = []
    for index in range(train + val):
        colour = COLOURS[index % len(COLOURS)]
        rows.append(
            {
                "sample_id": f"test:{index:03d}",
                "source": "test",
                "licence": "MIT",
                "page_url": f"https://example.org/{index}",
                "split": "train" if index < train else "val",
                "image_sha256": f"{index:064d}",
                "part": "part-00000.parquet",
                "complex_prompt": f"{colour} square, best quality, {index}",
                "simple_prompt": f"a {colour} square",
                "crop_box": [0, 0, SIDE, SIDE],
                "image": {"bytes": encoded(picture(index)), "path": None},
            }
        )
    tables.write_shards([tables.from_rows(rows, samples.SURD)], folder_, samples.SURD, rows=6)
    return [row["sample_id"] for row in rows]


def write_layer(path, sample_ids, seed=0):
    """The LLM vectors of one layer."""
    shape = llm.embeddings(LLM_WIDTH, "float32")
    vectors = np.random.default_rng(seed).normal(size=(len(sample_ids), LLM_WIDTH)).astype(np.float32)
    rows = [{"sample_id": name, "embedding": row} for name, row in zip(sample_ids, vectors.tolist(), strict=True)]
    tables.write(tables.from_rows(rows, shape), path, shape)


def write_states(folder_, sample_ids, seed=0):
    """Token states of one layer: 3 tokens a sample."""
    draw = np.random.default_rng(seed)
    state = draw.normal(size=(len(sample_ids), 3, LLM_WIDTH)).astype(np.float32)
    rows = pa.table({"tokens": [[1, 2, 3]] * len(sample_ids), "states": state.tolist()}).cast(
        pa.schema([("tokens", pa.list_(pa.int32())), ("states", pa.list_(pa.list_(pa.float32(), LLM_WIDTH)))])
    )
    schema = state_files.part_schema(0, LLM_WIDTH, "float32", {})
    with state_files.state_files(folder_) as (temporary, index):
        writer = state_files.StatesWriter(temporary, schema)
        writer.part(sample_ids, iter([rows]))
        index.write_table(writer.rows(sample_ids, sample_ids))


def write_params(path, **changes):
    """The project's params.yaml with the tiny model and a short training; ``section=dict(key=value)`` changes more."""
    yaml = YAML(typ="rt")
    document = yaml.load((Path(__file__).parents[2] / "params.yaml").read_text())
    settings = {
        "diffusion": {"model": str(folder()), "revision": revision()},
        "train": {"steps": 3, "batch_size": 4, "checkpoint_every": 2, "validate_every": 2, "sample_prompts": 1},
        "sample": {"steps": 2, "images_per_prompt": 1, "limit_per_type": 1},
        "adapter": {"heads": 2},
        "compute": {"device": "cpu", "vae_batch": 4, "sample_batch": 4, "micro_batch": 4},
        "llm": {"layer": 3},
    }
    for section, values in [*settings.items(), *changes.items()]:
        document[section].update(values)
    with path.open("w") as stream:
        yaml.dump(document, stream)


def is_picture(path):
    """Whether a file opens as a picture of a size to look at."""
    with Image.open(path) as opened:
        return opened.width > 100
