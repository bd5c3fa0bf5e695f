import json
import os
import struct
import zlib

import pytest

from pipeline.errors import InputError
from pipeline.sources.imports import kinds
from pipeline.sources.imports.png_folder import PngFolderParams
from pipeline.sources.local_pictures import LocalPictures
from pipeline.sources.record import Record, Rejected
from tests.pipeline.sources.imports.made import PROMPTS, SEEDS, png, put, settings, walked

TEXT = (
    "(star:1.2),\nnight 🌟\nNegative prompt: blurry\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 6.5, Seed: 21364683354, Size: 512x768, Model: dreamy"
)


def _walk(root):
    config = settings(PngFolderParams, root, kind="png_folder")
    return walked(kinds.walk("mine", config, "salt"))


def _with_size(content, width, height):
    """The same file whose header tells another size."""
    header = b"IHDR" + struct.pack(">II", width, height) + content[24:29]
    return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]


def _with_bomb(text):
    """A text chunk of a few kilobytes that unpacks to five megabytes."""
    chunk = b"zTXtparameters\0\0" + zlib.compress((text + " " * 5_000_000).encode())
    packed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    whole = png()
    return whole[:33] + packed + whole[33:]


def test_the_text_chunk_tells_both_prompts_and_the_settings(tmp_path):
    put(tmp_path, {"day 1/00001.png": png(parameters=TEXT), "00002.PNG": png(1, parameters=TEXT), "notes.txt": "x"})
    found, ended = _walk(tmp_path)
    assert ended == "all_rows_read"
    record = found[0]
    assert isinstance(record, Record)
    assert (record.source_id, record.prompt, record.negative_prompt) == ("00002.PNG", "(star:1.2),\nnight 🌟", "blurry")
    assert (record.complex_prompt, record.model, record.sampler) == ("star, night 🌟", "dreamy", "Euler a")
    assert (record.steps, record.cfg, record.seed, record.width, record.height) == (20, 6.5, 21364683354, 8, 8)
    assert json.loads(record.meta_json) == {"parameters": TEXT, "file_name": "00002.PNG"}
    assert LocalPictures({"mine": tmp_path}, max_bytes=10**6).get(found[1].image_url).content == png(parameters=TEXT)


def test_prompts_and_seeds_of_any_kind_are_read(tmp_path):
    pairs = [*((prompt, 5) for prompt in PROMPTS), *(("star", seed) for seed in SEEDS)]
    texts = [f"{prompt}\nSteps: 1, Sampler: a, Seed: {seed}" for prompt, seed in pairs]
    put(tmp_path, {f"{number:03d}.png": png(parameters=text) for number, text in enumerate(texts)})
    found, _ = _walk(tmp_path)
    assert [item.prompt for item in found] == [prompt for prompt, _ in pairs]
    assert [item.seed for item in found] == [5] * len(PROMPTS) + list(SEEDS.values())


def test_pictures_without_a_prompt_or_without_a_picture_are_one_reason_each(tmp_path):
    whole = png(parameters=TEXT)
    pictures = {
        "a.png": png(),
        "b.png": png(parameters="Negative prompt: x\nSteps: 1, Sampler: a, Seed: 1"),
        "c.png": b"<html>",
        "d.png": whole[:20],
        "e.png": _with_size(whole, 50_000, 50_000),
        "f.png": _with_size(whole, 12_000, 9_000),
        "g.png": png(parameters="  "),
        "g2.png": _with_bomb(TEXT),
    }
    put(tmp_path, pictures)
    (tmp_path / "h.png").symlink_to("f.png")
    found, _ = _walk(tmp_path)
    assert {item.source_id: item.reason for item in found if isinstance(item, Rejected)} == {
        "a.png": "no_parameters",
        "b.png": "no_prompt",
        "c.png": "broken_image",
        "d.png": "broken_image",
        "e.png": "broken_image",
        "g.png": "no_parameters",
        "g2.png": "broken_image",
        "h.png": "picture_is_link",
    }
    assert [item.source_id for item in found if isinstance(item, Record)] == ["f.png"]


def test_a_name_that_is_no_text_is_malformed(tmp_path):
    try:
        with open(os.fsencode(tmp_path) + b"/\xff.png", "wb") as stream:  # noqa: PTH123 - a Path cannot be told bytes
            stream.write(png(parameters=TEXT))
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    assert _walk(tmp_path)[0] == [Rejected("\\udcff.png", "malformed")]


def test_a_folder_without_pictures_is_one_line(tmp_path):
    with pytest.raises(InputError, match="has no PNG file"):
        _walk(tmp_path)
