"""A small workspace with pairs to review and generated pictures, for tests of the review page."""

import colorsys
import hashlib
import io
import os
import random
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from PIL import Image

from pipeline import tables
from pipeline.generated import GENERATED, MANIFEST
from pipeline.review.tasks import QUEUE, review_key
from pipeline.review.verdicts import ReviewParams
from pipeline.review_page import command
from pipeline.review_page.triplets import FACTS
from pipeline.tables import IMAGE, KEY, column
from tests.closure import ROOT

PICTURES = tables.schema(column(KEY, FACTS.field(KEY).type, ""), column("image", IMAGE, ""))
PARAMS = """\
review:
  require: false
  policy: majority
  unsure: drop
  overlap: {overlap}
  reviewers: [{reviewers}]
  tie: {tie}
  seed: 0
"""
ROWS_PER_PART = 150


def config(**changed):
    plain = {"require": False, "policy": "majority", "unsure": "drop", "overlap": 0.0, "reviewers": (), "tie": True}
    return ReviewParams(**{**plain, "seed": 0, **changed})


@cache
def png(number):
    colour = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(number * 0.618 % 1, 0.6, 0.8))
    stream = io.BytesIO()
    Image.new("RGB", (24, 24), colour).save(stream, "PNG")
    return stream.getvalue()


def sha256(number):
    return hashlib.sha256(png(number)).hexdigest()


def row(number, simple=None, complex_prompt=None):
    simple = f"caption {number}" if simple is None else simple
    complex_prompt = complex_prompt or f"prompt {number}, 8k"
    return {
        KEY: f"a:{number:04d}",
        "review_key": review_key(sha256(number), simple, complex_prompt),
        "rank": number * 7919 % 1000,
        "margin": float(number * 7919 % 1000),
        "source": "lexica",
        "page_url": f"https://example.org/{number}",
        "part": f"part-{number // ROWS_PER_PART:05d}.parquet",
        "image_sha256": sha256(number),
        "simple_prompt": simple,
        "complex_prompt": complex_prompt,
    }


def facts(number, *, group=None, level=1):
    return {KEY: f"a:{number:04d}", "group": group or f"a:{number:04d}", "nsfw_level": level}


def queue(rows):
    return tables.from_rows(rows, QUEUE)


def cleaned(rows):
    return tables.from_rows(rows, FACTS)


def manifest_row(prompt, index, arm, *, method=None, sha256=None, part="part-00000.parquet"):
    sample_id = "/".join([f"p{prompt}", f"{index:02d}", arm, *([method] if method else [])])
    text = "many words" if arm == "complex" else f"sentence {prompt}"
    return {
        **{KEY: sample_id, "arm": arm, "prompt_id": f"p{prompt}", "index": index, "seed": 1, "part": part},
        **{"model": "tiny", "method": method or "none"},
        **{"type": "action", "text": text, "sha256": sha256 or sample_id.encode().hex().ljust(64, "0")[:64]},
    }


def manifest(prompts=3, images=2, arms=("adapted", "base", "complex")):
    rows = [manifest_row(p, i, arm) for p in range(prompts) for i in range(images) for arm in arms]
    return tables.from_rows(rows, MANIFEST)


def workspace(folder, pairs=20, *, overlap=0.0, reviewers="", tie=True, changed=None, levels=None):
    """Everything that ``sur review`` reads, in a folder; ``changed`` gives texts of pairs, ``levels`` ratings."""
    rows = [row(number, *(changed or {}).get(number, ())) for number in range(pairs)]
    data = folder / "data"
    tables.write(queue(rows), folder / command.QUEUE, QUEUE)
    known = [facts(number, level=(levels or {}).get(number, 1)) for number in range(pairs)]
    tables.write(cleaned(known), folder / command.CLEANED, FACTS)
    pictures = [{KEY: one[KEY], "image": {"bytes": png(at), "path": None}} for at, one in enumerate(rows)]
    tables.write_shards([tables.from_rows(pictures, PICTURES)], data / "download/parts", PICTURES, rows=ROWS_PER_PART)
    made = [{**one, "sha256": sha256(at)} for at, one in enumerate(manifest().to_pylist())]
    tables.write(tables.from_rows(made, MANIFEST), folder / command.MANIFEST, MANIFEST)
    drawn = [{**one, "image": {"bytes": png(at), "path": None}} for at, one in enumerate(made)]
    drawn = [{name: one[name] for name in GENERATED.names} for one in drawn]
    tables.write_shards([tables.from_rows(drawn, GENERATED)], data / "sample/parts", GENERATED, rows=100)
    text = PARAMS.format(overlap=overlap, reviewers=reviewers, tie=str(tie).lower())
    (folder / "params.yaml").write_text(text)
    return folder


class Served:
    """``sur review`` in a process of its own."""

    def __init__(self, folder, *arguments, port=0):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "SUR_WORK": str(folder / "work")}
        words = [*arguments, "--no-browser", "--port", str(port)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.review_page.command", *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.address = self.process.stdout.readline().strip()
        self.port = int(self.address.split(":")[2].split("/")[0]) if self.address else None

    def end(self, kill=False):
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        return self.process.communicate(timeout=30)


def free_port():
    """One outside the range from which the kernel gives ports: a browser that asks a dead server again and again would
    else sooner or later be given that very port, and connect to itself."""
    for port in random.Random().sample(range(20_000, 30_000), 100):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)):
                return port
    raise OSError("no free port")


@contextmanager
def served(folder, *arguments, port=0):
    running = Served(folder, *arguments, port=port)
    try:
        yield running
    finally:
        running.end(kill=True)


def lines(folder, name="triplets/ann.jsonl"):
    import json

    path = Path(folder) / "reviews" / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def chromium():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
