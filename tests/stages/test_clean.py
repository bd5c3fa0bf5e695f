import io
import json
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from pipeline import examining, params, samples, tables
from pipeline.cleaning import CLEANED, CleanParams, HeldOut
from pipeline.downloading import DOWNLOADS
from pipeline.errors import EmptyResultError, InputError
from pipeline.takedown_list import Takedowns
from stages import clean
from tests.pipeline.made_records import record

ROOT = Path(__file__).parents[2]


def _picture(number, side=64, kind="PNG", **options):
    picture = Image.new("RGB", (side, side), (250 - 30 * number, 40 * number, 90))
    draw = ImageDraw.Draw(picture)
    cell = side // 4
    for place in range(16):
        if (number * 40503 + 20011) >> place & 1:
            left, upper = place % 4 * cell, place // 4 * cell
            draw.rectangle((left, upper, left + cell - 1, upper + cell - 1), fill="black")
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _row(name, content, **changes):
    return {
        **record(name, **changes),
        "image_sha256": sha256(content).hexdigest(),
        "n_bytes": len(content),
        "format": "png",
        "image": {"bytes": content, "path": f"{name}.png"},
    }


ROWS = [
    _row("a", _picture(0), complex_prompt="one star"),
    _row("b", _picture(1), complex_prompt="two stars"),
    _row("c", _picture(1)),
    _row("d", _picture(1, side=96, kind="JPEG", quality=60)),
    _row("e", _picture(2)[:90]),
    _row("f", _picture(3, side=24)),
    _row("g", _picture(4), nsfw_level=4),
    _row("h", _picture(5), complex_prompt="Held Out"),
    _row("i", _picture(6)),
    _row("j", _picture(0, side=72), complex_prompt="ONE star", image_url="https://image.lexica.art/j"),
]
DROPPED = {
    "lexica:c": "exact_duplicate",
    "lexica:d": "near_duplicate",
    "lexica:e": "broken_image",
    "lexica:f": "too_small",
    "lexica:g": "unsafe",
    "lexica:h": "evaluation_prompt",
    "lexica:i": "takedown",
    "lexica:j": "near_duplicate",
}


def _parts(tmp_path, rows=ROWS, per_shard=4):
    table = tables.from_rows(rows, DOWNLOADS)
    tables.write_shards([table], tmp_path / "parts", DOWNLOADS, rows=per_shard)
    return tmp_path / "parts"


def _config(**changes):
    return params.load(CleanParams, "clean", ROOT / "params.yaml").model_copy(update=changes)


def _clean(parts, target, **changes):
    taken_down = Takedowns(frozenset({"https://image.lexica.art/i"}))
    clean.clean(parts, target, _config(**changes), taken_down=taken_down, held_out=HeldOut(["held out"]))


def test_each_fault_has_its_reason_and_the_rest_are_samples(tmp_path):
    _clean(_parts(tmp_path), tmp_path / "out")
    kept = tables.read(tmp_path / "out/samples.parquet", CLEANED)
    dropped = tables.read(tmp_path / "out/dropped.parquet", tables.DROPPED).to_pylist()
    assert {row["sample_id"]: row["drop_reason"] for row in dropped} == DROPPED
    assert kept.column("sample_id").to_pylist() == ["lexica:a", "lexica:b"]
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert (report["in"], report["out"], sum(report["dropped"].values())) == (10, 2, 8)
    assert [step["left"] for step in report["funnel"]] == [10, 9, 8, 7, 6, 5, 4, 2]
    with Image.open(tmp_path / "out/funnel.png") as chart:
        assert chart.width > 300


def test_a_sample_finds_its_picture_in_its_shard(tmp_path):
    parts = _parts(tmp_path)
    _clean(parts, tmp_path / "out")
    kept = tables.read(tmp_path / "out/samples.parquet", samples.SAMPLES)
    assert samples.read_images(parts, kept) == {"lexica:a": _picture(0), "lexica:b": _picture(1)}


def test_the_size_is_the_decoded_one(tmp_path):
    _clean(_parts(tmp_path, rows=[_row("a", _picture(0, side=80), width=512, height=512)]), tmp_path / "out")
    kept = tables.read(tmp_path / "out/samples.parquet", CLEANED).to_pylist()[0]
    assert (kept["width"], kept["height"]) == (80, 80)


def test_shards_and_a_filled_work_store_do_not_change_the_bytes(tmp_path):
    _clean(_parts(tmp_path / "one"), tmp_path / "one/out")
    _clean(_parts(tmp_path / "one"), tmp_path / "two/out")
    for name in ("samples.parquet", "dropped.parquet", "report.json", "funnel.png"):
        assert (tmp_path / "one/out" / name).read_bytes() == (tmp_path / "two/out" / name).read_bytes()


def test_pictures_are_measured_once(tmp_path, monkeypatch):
    _clean(_parts(tmp_path), tmp_path / "out")
    monkeypatch.setattr(examining, "measure", None)
    _clean(_parts(tmp_path), tmp_path / "out", min_side_px=20)
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert "too_small" not in report["dropped"]


def test_nothing_left_names_the_setting_behind_it(tmp_path):
    with pytest.raises(
        EmptyResultError, match=r"keeps none of 10 pictures, 8 .* too_small: look at clean\.min_side_px"
    ):
        _clean(_parts(tmp_path), tmp_path / "out", min_side_px=500)
    assert not (tmp_path / "out").exists()


def test_main_keeps_evaluation_prompts_apart(tmp_path, monkeypatch):
    text = (ROOT / "params.yaml").read_text()
    files = params.read(ROOT / "params.yaml")["sample"]["prompts"]
    prompt = {"id": "p1", "text": "Held  out", "complex": "two stars", "type": "counting"}
    prompt |= {"atoms": [{"skill": "counting"}], "source": "test", "wording": "seen"}
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps([{**prompt, "id": Path(name).stem}]))
    (tmp_path / "params.yaml").write_text(text)
    (tmp_path / "takedown.txt").write_text("lexica:a\n")
    monkeypatch.chdir(tmp_path)
    table = tables.from_rows(ROWS, DOWNLOADS)
    tables.write_shards([table], tmp_path / "data/download/parts", DOWNLOADS, rows=100)
    clean.main()
    dropped = tables.read(tmp_path / "data/clean/dropped.parquet", tables.DROPPED).to_pylist()
    reasons = {row["sample_id"]: row["drop_reason"] for row in dropped}
    assert (reasons["lexica:a"], reasons["lexica:b"], reasons["lexica:h"]) == (
        "takedown",
        "evaluation_prompt",
        "evaluation_prompt",
    )


def _with_takedowns(tmp_path, *names, removed=()):
    taken_down = Takedowns(frozenset({*names, *removed}), frozenset(removed))
    clean.clean(_parts(tmp_path), tmp_path / "out", _config(), taken_down=taken_down, held_out=HeldOut([]))
    dropped = tables.read(tmp_path / "out/dropped.parquet", tables.DROPPED).to_pylist()
    report = json.loads((tmp_path / "out/report.json").read_text())
    return {row["sample_id"]: row["drop_reason"] for row in dropped}, report


@pytest.mark.parametrize("entry", ["lexica:b", "https://lexica.art/prompt/b", sha256(_picture(1)).hexdigest()])
def test_near_copies_of_what_is_taken_down_go_too(tmp_path, entry):
    reasons, report = _with_takedowns(tmp_path, entry)
    assert [reasons[f"lexica:{name}"] for name in "bcd"] == ["takedown", "takedown", "takedown_copy"]
    assert report["takedown"] == {"entries": 1, "without_picture": []}


def test_an_entry_that_means_no_picture_is_told(tmp_path, capsys):
    reasons, report = _with_takedowns(tmp_path, "lexica:nobody", removed=["lexica:removed"])
    assert "takedown" not in reasons.values()
    assert report["takedown"] == {"entries": 2, "without_picture": ["lexica:nobody"]}
    told = capsys.readouterr().err
    assert "takedown.txt names lexica:nobody, which is no id, address or SHA-256" in told
    assert "lexica:removed" not in told


def test_no_row_at_all_is_told(tmp_path):
    with pytest.raises(EmptyResultError, match="keeps none of 0 pictures"):
        _clean(_parts(tmp_path, rows=[]), tmp_path / "out")


def test_missing_pictures_are_told(tmp_path):
    with pytest.raises(InputError, match="has no shards"):
        _clean(tmp_path / "parts", tmp_path / "out")
