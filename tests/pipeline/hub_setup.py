"""A working copy with a data set, an adapter and the dvc.lock that knows both."""

import shutil

import torch
from ruamel.yaml import YAML

from pipeline import hub_files, samples, tables
from pipeline.adapters import folder
from pipeline.adapters.settings import AdapterParams
from pipeline.adapters.sur import SurAdapter
from tests.pipeline import tiny_models
from tests.pipeline.training_setup import ADAPTER


def write_data_set(root, *, count=3):
    """Shards of two rows each, card, licences and an empty takedown list."""
    target = root / "data/resize"
    shutil.rmtree(target, ignore_errors=True)
    write_parts(target / "parts", count)
    (target / "README.md").write_text(f"---\nlicense: other\n---\n# {count} samples\n")
    (target / "LICENSE.md").write_text("# Licences\n")
    (target / "sheet.png").write_bytes(b"stays here")
    (root / "takedown.txt").touch()
    lock(root)
    return target


def write_parts(target, count):
    rows = [row(index) for index in range(count)]
    tables.write_shards([tables.from_rows(rows, samples.SURD)], target, samples.SURD, rows=2)


def row(index, **changes):
    return {
        "sample_id": f"lexica:{index:03d}",
        "source": "lexica",
        "licence": "CC-BY-NC-4.0",
        "page_url": f"https://lexica.example/{index}",
        "split": "val" if index == 1 else "train",
        "image_sha256": f"{index:064d}",
        "part": "part-00000.parquet",
        "complex_prompt": f"square, best quality, {index}",
        "simple_prompt": "a square",
        "crop_box": [0, 0, 16, 16],
        "image": {"bytes": tiny_models.encoded(tiny_models.picture(index)), "path": None},
        **changes,
    }


def write_trained(root):
    """An adapter of the workflow."""
    target = root / "data/train/adapter"
    write_adapter(target)
    lock(root)
    return target


def write_adapter(target, **more):
    adapter = SurAdapter(AdapterParams(**ADAPTER), width=16, llm_width=12, w0_seed=0)
    base = folder.Named(model="lab/base", revision="main")
    language = folder.LlmNamed(model="lab/llm", revision="main", layer=3)
    folder.save(target, adapter, base=base, llm=language, w0_seed=0, llm_scale="raw", steps=2, **more)
    return target


def write_unet_too(root):
    """An adapter from elsewhere with which cross-attention was trained."""
    return write_adapter(root / "other", parts="cross_attention", unet={"attn2.weight": torch.ones(3, 2)})


def lock(root):
    """dvc.lock as a run would have left it."""
    resize = root / "data/resize"
    outs = [entry(root, resize / name) for name in ("LICENSE.md", "README.md", "parts")]
    stages = {"resize": {"deps": [], "outs": outs}}
    adapter = root / "data/train/adapter"
    if adapter.is_dir():
        stages["train"] = {"deps": [entry(root, resize / "parts")], "outs": [entry(root, adapter)]}
    with (root / "dvc.lock").open("w") as stream:
        YAML(typ="safe").dump({"schema": "2.0", "stages": stages}, stream)


def entry(root, path):
    found = hub_files.folder_md5(path) if path.is_dir() else hub_files.file_md5(path)
    return {"path": path.relative_to(root).as_posix(), "md5": found}
