"""A small project with real stores, real tables and a real DVC cache, for tests of the takedown.

Of its six samples 1 is taken down: 2 is a near copy of its picture, 3 an exact one, 4 lies on the same page, 5 has the
same caption, 0 has nothing to do with it; its picture was asked for as a smaller rendition.
"""

import io
import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from ruamel.yaml import YAML

from pipeline import captioning, downloading, params, samples, tables
from pipeline.captioning import BlipParams
from pipeline.cleaning import CleanParams, HeldOut
from pipeline.downloading import DOWNLOADS, DownloadParams
from pipeline.files import write_json, write_text
from pipeline.http import Response
from pipeline.images import ImageParams
from pipeline.picture_store import Picture, PictureStore
from pipeline.samples import CAPTIONS, VERDICTS
from pipeline.sources.archive import walking
from pipeline.sources.record import RECORDS
from pipeline.tables import column
from pipeline.takedown_list import Takedowns
from pipeline.work import ResultStore
from stages import caption, clean, resize
from tests.closure import ROOT
from tests.pipeline.made_records import record

CONTENTS = {}
CIVITAI = "https://image.civitai.com/bucket/uuid/original=true/0.jpeg"
RENDITION = "https://image.civitai.com/bucket/uuid/width=512/0.jpeg"
PAGE = "https://lexica.art/prompt/shared"
STAGES = ("scrape", "download", "clean", "caption", "resize", "embed", "latents", "train", "report")
LAYER = tables.schema(column("sample_id", pa.string(), ""), column("vector", pa.list_(pa.float32(), 2), ""))


def picture(number):
    """The bytes of a sample's picture."""
    if not CONTENTS:
        for shown in (0, 1, 4, 5):
            pixels = np.random.default_rng(shown).integers(0, 255, (4, 4, 3), dtype=np.uint8)
            CONTENTS[shown] = _encoded(Image.fromarray(np.kron(pixels, np.ones((16, 16, 1), dtype=np.uint8))))
        with Image.open(io.BytesIO(CONTENTS[1])) as first:
            CONTENTS[2] = _encoded(first.resize((96, 96)), "JPEG", quality=80)
        CONTENTS[3] = CONTENTS[1]
    return CONTENTS[number]


def _encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def digest(number):
    """SHA-256 of a sample's picture."""
    return sha256(picture(number)).hexdigest()


def _record(number):
    if number == 0:
        return record("0", image_url=CIVITAI, width=2000, height=2000)
    return record(str(number), page_url=PAGE) if number in (1, 4) else record(str(number))


def _download_row(number):
    content = picture(number)
    facts = {"image_sha256": digest(number), "n_bytes": len(content), "format": "png"}
    return {**_record(number), **facts, "image": {"bytes": content, "path": f"lexica_{number}.png"}}


def build(folder):
    """Make data, work store and DVC repository; call it inside the folder, with SUR_WORK set."""
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    write_text(Path("takedown.txt"), "# head\n")
    _records()
    _pictures()
    _cleaned_and_captioned("a caption of earlier days")
    _made()
    _repository()
    _cleaned_and_captioned(None)
    _made()
    _dvc("repro", "-q")
    _loose_files()


def _records():
    rows = [_record(number) for number in range(6)]
    tables.write(tables.from_rows(rows, RECORDS), Path("data/scrape/lexica/records.parquet"), RECORDS)
    rejected = [{"sample_id": "lexica:9", "drop_reason": "grid"}]
    tables.write(tables.from_rows(rejected, tables.DROPPED), Path("data/scrape/lexica/dropped.parquet"), tables.DROPPED)
    samples.write_report(Path("data/scrape/lexica/report.json"), 7, 6, {"grid": 1})
    items = [{"id": str(number), "src": _record(number)["image_url"], "prompt": "x"} for number in range(6)]
    page = f'<p>pages</p><a href="{PAGE}"><img alt="x"></a><a href="https://lexica.art/prompt/0">y</a>'
    bodies = {"https://lexica.art/api?q=a": json.dumps({"images": items}), "https://lexica.art/list": page}
    bodies["https://image.lexica.art/1"] = "the page of the picture itself"
    with walking("lexica", {}, lambda url: Response(url, 200, {}, bodies[url].encode(), 1)) as fetch:
        for url in bodies:
            fetch(url)


def _pictures():
    rows = [_download_row(number) for number in range(6)]
    tables.write_shards([tables.from_rows(rows, DOWNLOADS)], Path("data/download/parts"), DOWNLOADS, rows=4)
    Path("data/download/sheet.png").write_bytes(picture(0))
    store = PictureStore(params.load(DownloadParams, "download").max_mb)
    urls = downloading.addresses(tables.from_rows(rows, DOWNLOADS), side_px=params.load(ImageParams, "image").side_px)
    assert urls["lexica:0"] == RENDITION
    store.keep(Picture(urls[row["sample_id"]], row["image"]["bytes"], 200, 1) for row in rows)


def _cleaned_and_captioned(text):
    config = params.load(CleanParams, "clean")
    parts = Path("data/download/parts")
    clean.clean(parts, Path("data/clean"), config, taken_down=Takedowns(), held_out=HeldOut([]))
    said = {digest(number): text or f"caption {number if number != 5 else 1}" for number in range(6)}

    def operator(rows):
        keys = rows.column("key").to_pylist()
        texts = [said[key] for key in keys]
        return pa.table({"key": keys, "simple_prompt": texts, "caption_truncated": [False] * len(keys)})

    blip = params.load(BlipParams, "blip").model_copy(update={"prompt": text or ""})
    assert captioning.RESULT.names == ["simple_prompt", "caption_truncated"]
    caption.caption(
        Path("data/clean/samples.parquet"), parts, Path("data/caption"), blip, build=lambda: operator, unit=2
    )
    _squares(tables.read(Path("data/caption/captions.parquet"), CAPTIONS))


def _squares(captions):
    more = {"review_key": "k", "verdict": "unreviewed", "reviewers": 0, "kept": True, "drop_reason": None}
    rows = [{**row, "split": "train", **more} for row in captions.to_pylist()]
    source = Path("verdicts.parquet")
    tables.write(tables.from_rows(rows, VERDICTS), source, VERDICTS)
    config = params.load(ImageParams, "image")
    cleaned, reports = Path("data/clean/samples.parquet"), [Path("data/clean/report.json")]
    resize.resize(source, Path("data/download/parts"), Path("data/resize"), config, cleaned=cleaned, reports=reports)
    source.unlink()
    surd = tables.read(Path("data/resize/parts/part-00000.parquet"), samples.SURD).to_pylist()
    _stored("embed", [row["simple_prompt"] for row in surd])
    _stored("latents", [sha256(row["image"]["bytes"]).hexdigest() for row in surd])
    vectors = tables.from_rows([{"sample_id": row["sample_id"], "vector": [0.0, 1.0]} for row in surd], LAYER)
    tables.write(vectors, Path("data/embed/layers/layer_1.parquet"), LAYER)
    tables.write_shards([vectors], Path("data/latents/parts"), LAYER, rows=9)
    write_json(Path("data/train/adapter/config.json"), {"eta": 0.5, "captions": surd[0]["simple_prompt"]})
    write_text(Path("data/report/report.html"), "<p>pictures</p>" + surd[0]["simple_prompt"])


def _stored(stage, keys):
    store = ResultStore(stage, {}, tables.schema(column("value", pa.binary(), "")))
    missing = store.missing(keys)
    store.add(tables.from_rows([{"key": key, "value": key.encode()} for key in missing], store.schema))


def _made():
    """What the stand-in commands of dvc.yaml copy."""
    for stage in STAGES:
        shutil.rmtree(Path("made") / stage, ignore_errors=True)
        shutil.copytree(Path("data") / stage, Path("made") / stage)


def _repository():
    Path("stand_in.py").write_text(
        "import shutil, sys\nshutil.copytree(f'made/{sys.argv[1]}', f'data/{sys.argv[1]}', dirs_exist_ok=True)\n"
    )
    outs = {stage: [f"data/{stage}/{path.name}" for path in sorted(Path("made", stage).iterdir())] for stage in STAGES}
    outs["scrape"] = [f"data/scrape/lexica/{name}" for name in ("records.parquet", "dropped.parquet", "report.json")]
    deps = {"train": ["data/resize/parts"], "report": ["data/caption/sheet.png"]}
    stages = {
        stage: {
            "cmd": f"{sys.executable} stand_in.py {stage}",
            "deps": [f"made/{stage}", *deps.get(stage, [])],
            "outs": outs[stage],
        }
        for stage in STAGES
    }
    _dvc("init", "-q", "--no-scm")
    with Path("dvc.yaml").open("w") as stream:
        YAML().dump({"stages": stages}, stream)
    shutil.rmtree("data")
    _dvc("repro", "-q")


def _dvc(*command):
    done = subprocess.run([sys.executable, "-m", "dvc", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _loose_files():
    shutil.rmtree("made")
    work = Path(os.environ["SUR_WORK"])
    for name in ("lexica_1", "lexica_0"):
        (work / "show").mkdir(exist_ok=True)
        (work / "show" / f"{name}.png").write_bytes(b"shown")
    Path("review-pictures/pairs").mkdir(parents=True)
    for number in (0, 1):
        Path(f"review-pictures/pairs/{digest(number)}.jpg").write_bytes(b"to review")
