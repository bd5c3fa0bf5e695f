import base64
import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline import tables
from pipeline.answers import PreferenceAnswer, SemanticVerdict, read
from pipeline.app import main
from pipeline.generated import GENERATED, MANIFEST
from pipeline.review import commands, pages, studies
from tests.pipeline.review import verdicts_made as data
from tests.pipeline.review.rows import queued, scored
from tests.pipeline.review_page.browsing import browser

HOSTILE = '</script><script>alert(1)</script> & "<b>" \u202ex @script@ ' + "w" * 10_000


def _picture(sample_id: str, side_px: int = 16) -> bytes:
    stream = io.BytesIO()
    colour = (sum(sample_id.encode()) % 256, len(sample_id), 200 if "base" in sample_id else 20)
    picture = Image.new("RGB", (side_px, side_px), colour)
    picture.save(stream, "PNG", pnginfo=_metadata(sample_id))
    return stream.getvalue()


def _metadata(text: str) -> Any:
    from PIL.PngImagePlugin import PngInfo

    found = PngInfo()
    found.add_text("arm", text)
    return found


@pytest.fixture
def sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with sampled pictures and their prompts, one of them hostile."""
    monkeypatch.chdir(tmp_path)
    manifest = data.manifest(2)
    rows = [
        {
            **{name: row[name] for name in GENERATED.names if name in row},
            "image": {"bytes": _picture(row["sample_id"]), "path": None},
        }
        for row in manifest.to_pylist()
    ]
    tables.write(tables.from_rows(rows, GENERATED), Path("data/sample/parts/part-00000.parquet"), GENERATED)
    tables.write(manifest, Path("data/sample/manifest.parquet"), MANIFEST)
    entries = [
        {
            "id": prompt.id,
            "text": HOSTILE if prompt.id == "b" else prompt.text,
            "complex": None,
            "type": prompt.type,
            "atoms": list(prompt.atoms),
            "source": "made",
            "wording": "seen",
        }
        for prompt in data.PROMPTS
    ]
    Path("prompts.json").write_text(json.dumps(entries))
    _settings(tie=True, seed=0)
    return tmp_path


def _settings(*, tie: bool, seed: int) -> None:
    review = {"require": False, "policy": "majority", "unsure": "drop", "overlap": 0.1, "reviewers": []}
    settings = {"sample": {"prompts": ["prompts.json"]}, "review": {**review, "tie": tie, "seed": seed}}
    Path("params.yaml").write_text(json.dumps(settings))


def _sur(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def _fill(path: Path, said: dict[str, str]) -> None:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, **{name: word for name, word in said.items() if name in row}} for row in rows)


@pytest.mark.usefixtures("sampled")
def test_a_semantic_study_goes_out_as_a_spreadsheet_and_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert _sur("review-export", "semantic", "out") == 0
    assert len(list(Path("out/pictures").iterdir())) == 18
    assert "data/" not in Path("out/tasks.csv").read_text()
    with Image.open(next(Path("out/pictures").iterdir())) as picture:
        assert picture.info == {}
    _fill(Path("out/tasks.csv"), {"action": "yes", "colour": "no", "counting": "unsure"})
    assert _sur("review-import", "out/tasks.csv", "--task", "semantic", "--reviewer", "Ann") == 0
    assert "reviews/semantic/ann.jsonl: 18 answers taken in" in capsys.readouterr().err
    wholes = {line.sample_id: line.whole for line in read(Path("reviews/semantic"), SemanticVerdict)}
    assert {wholes[f"{name}/00/base"] for name in "abc"} == {"unsure", "no", "yes"}
    assert _sur("review-import", "out/tasks.csv", "--task", "semantic", "--reviewer", "Ann") == 0
    assert "nothing new\n18 already known" in capsys.readouterr().err


@pytest.mark.usefixtures("sampled")
def test_a_preference_study_goes_out_for_label_studio_with_its_pictures() -> None:
    assert _sur("review-export", "preference", "out", "--prompts", "1", "--pictures", "1", "--seed", "3") == 0
    tasks = json.loads(Path("out/tasks.json").read_text())
    assert len(tasks) == 3
    for task in tasks:
        for side in ("image_a", "image_b"):
            assert Path("out", task["data"][side].partition("?d=")[2]).is_file()
    assert '<Pairwise name="overall"' in Path("out/config.xml").read_text()
    assert str(Path("out").absolute()) in Path("out/README.md").read_text()
    (kept,) = studies.KEYS.iterdir()
    assert kept.stem == tasks[0]["data"]["item"].split("-")[0]


@pytest.mark.usefixtures("sampled")
def test_options_that_do_not_go_together_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert _sur("review-export", "semantic", "out", "--html") == 1
    assert _sur("review-export", "semantic", "out", "--no-ties") == 1
    assert _sur("review-export", "preference", "out", "--megabytes", "3") == 1
    assert _sur("review-import", "out", "--task", "semantic", "--reviewer", "1=") == 1
    assert _sur("review-import", "out", "--task", "semantic", "--reviewer", "A", "--reviewer", "B") == 1
    assert len(capsys.readouterr().err.splitlines()) == 5
    assert _sur("review-export", "preference", "out", "--pictures", "0") == 2
    assert not Path("out").exists()


def test_preferences_are_not_taken_in_as_decisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pairs.csv").write_text("item,overall\n0-1,left\n")
    assert _sur("review-import", "pairs.csv", "--task", "preference", "--reviewer", "Ann", "--adjudicated") == 1
    told = "error: preferences have no conflicts to decide: --adjudicated goes with triplets and semantic"
    assert capsys.readouterr().err.splitlines() == [told]


@pytest.mark.usefixtures("sampled")
@pytest.mark.parametrize(("tie", "options"), [(False, ()), (True, ("--no-ties",)), (True, ())])
def test_whether_a_tie_may_be_said_holds_for_all_ways(tie: bool, options: tuple[str, ...]) -> None:
    _settings(tie=tie, seed=0)
    assert _sur("review-export", "preference", "out", *options) == 0
    assert _sur("review-export", "preference", "pages", "--html", *options) == 0
    (page,) = Path("pages").iterdir()
    offered = tie and not options
    assert ('value="tie"' in Path("out/config.xml").read_text()) == offered
    assert ("left, right or tie" in Path("out/README.md").read_text()) == offered
    assert _study(page)["ties"] == offered


@pytest.mark.usefixtures("sampled")
def test_the_seed_is_the_reviews_unless_another_is_told() -> None:
    _settings(tie=True, seed=7)
    assert _sur("review-export", "preference", "out") == 0
    assert _sur("review-export", "semantic", "out", "--seed", "0") == 0
    assert {
        (key.task, key.seed) for key in (studies.load(path.stem, studies.KEYS) for path in studies.KEYS.iterdir())
    } == {
        ("preference", 7),
        ("semantic", 0),
    }


def _study(path: Path) -> Any:
    found = re.search(r'<script type="application/json" id="study">(.*?)</script>', path.read_text(), re.DOTALL)
    assert found
    return json.loads(found[1])


@pytest.mark.usefixtures("sampled")
def test_a_page_holds_its_pictures_and_tells_no_arm(capsys: pytest.CaptureFixture[str]) -> None:
    assert _sur("review-export", "preference", "out", "--html") == 0
    (path,) = Path("out").iterdir()
    assert "6 pairs" in capsys.readouterr().err
    text, study = path.read_text(), _study(path)
    assert not re.search(r"base\b(?!64|-uri)|adapted|sample_id|sha256(?!-)|prompts?\.json", text.replace("base64", ""))
    assert {pair["text"] for pair in study["pairs"]} >= {HOSTILE}
    assert text.count("<script") == 2
    assert not re.search(r"https?://|src=\"(?!data)", text)
    key = studies.load(study["study"], studies.KEYS)
    for pair, entry in zip(study["pairs"], key.items.values(), strict=True):
        assert isinstance(entry, studies.Pair)
        for side, sample_id in zip(("left", "right"), entry.sides(), strict=True):
            content = base64.b64decode(pair[side].removeprefix("data:image/png;base64,"))
            with Image.open(io.BytesIO(content)) as shown, Image.open(io.BytesIO(_picture(sample_id))) as made:
                assert shown.info == {}
                assert shown.convert("RGB").tobytes() == made.convert("RGB").tobytes()


@pytest.mark.usefixtures("sampled")
def test_a_large_study_becomes_several_pages() -> None:
    pictures = {
        f"{name}/{index:02d}/{arm}": "x" * 900 for name in "abc" for index in (0, 1) for arm in ("base", "adapted")
    }
    key = studies.preference(data.manifest(2).to_pylist(), data.PROMPTS, studies.Scope(), 0)
    shown = studies.shown(key, data.PROMPTS)
    limit = pages.PAGE_BYTES + 5_000
    written = pages.write(key, shown, pictures, Path("out"), most_bytes=limit, ties=False)
    assert [count for _, count in written] == [2, 2, 2]
    assert all(path.stat().st_size <= limit for path, _ in written)
    parts = [_study(path) for path, _ in written]
    assert [(part["part"], part["parts"], part["ties"]) for part in parts] == [
        (1, 3, False),
        (2, 3, False),
        (3, 3, False),
    ]
    assert [pair["item"] for part in parts for pair in part["pairs"]] == list(key.items)
    alone = pages.write(key, shown, pictures, Path("tiny"), most_bytes=1, ties=True)
    assert [count for _, count in alone] == [1] * 6


def test_large_pictures_are_made_smaller() -> None:
    assert pages.data_uri(_picture("a", 256)).startswith("data:image/png;base64,")
    content = base64.b64decode(pages.data_uri(_picture("a", 2000)).removeprefix("data:image/jpeg;base64,"))
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.size == (768, 768)


def test_verdicts_on_other_prompts_are_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = [{"review_key": f"{n:064x}", "verdict": "keep", "reviewer": "Ann"} for n in range(2)]
    Path("lines.jsonl").write_text("\n".join(map(json.dumps, said)))
    assert (
        commands.take_in(Path("lines.jsonl"), "triplets", [], adjudicated=False).stale == 0
    )  # nothing to compare with
    commands.TASKS.parent.mkdir(parents=True)
    rows = tables.read(queued(scored(margins=[1.0]), commands.TASKS), commands.QUEUE).to_pylist()
    said.append({"review_key": rows[0]["review_key"], "verdict": "keep", "reviewer": "Bob"})
    said.append({"review_key": "c" * 64, "verdict": "keep", "reviewer": "Bob"})
    Path("lines.jsonl").write_text("\n".join(map(json.dumps, said)))
    outcome = commands.take_in(Path("lines.jsonl"), "triplets", [], adjudicated=False)
    assert (sum(outcome.taken.values()), outcome.stale) == (2, 1)
    assert any("1 of those taken in are stale" in line for line in commands._told(outcome, "triplets"))


@pytest.fixture
def page(sampled: Path) -> Iterator[Any]:
    """The study's page in a browser of a phone's width; it fails on any request and on any error of the script."""
    wrong: list[str] = []
    with browser() as found:
        assert _sur("review-export", "preference", "out", "--html") == 0
        shown = found.new_page(viewport={"width": 390, "height": 844})
        shown.on("console", lambda message: wrong.append(message.text))
        shown.on("pageerror", lambda error: wrong.append(str(error)))
        shown.on("request", lambda one: one.url.startswith(("data:", "file:", "blob:")) or wrong.append(one.url))
        shown.goto((sampled / "out" / "preference-1-of-1.html").as_uri())
        yield shown
    assert wrong == []


def _saved(page: Any, path: Path) -> None:
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(path)


def test_answers_given_by_keys_and_clicks_come_back_as_a_file(page: Any, tmp_path: Path) -> None:
    page.fill("#name", "Zoë")
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for keys in (["1", "2", "3"], ["ArrowRight", "t", "ArrowLeft"]):
        for key in [*keys, "Enter"]:
            page.keyboard.press(key)
    page.reload()  # what was said is kept by the browser
    page.keyboard.press("Tab")
    page.click("text=Start")
    assert page.text_content("#state").startswith("2 of 6 pairs answered")
    page.click("#question-text >> text=Right")
    page.keyboard.press("b")
    assert page.is_checked('#question-overall input[value="right"]')
    page.click("#question-overall >> text=Left")
    page.click("#stop")
    assert "4 pairs have no full answer yet" in page.text_content("#left-over")
    _saved(page, tmp_path / "zoe.json")
    assert _sur("review-import", str(tmp_path / "zoe.json"), "--task", "preference") == 0
    found = read(Path("reviews/preference"), PreferenceAnswer)
    key = studies.load(next(studies.KEYS.iterdir()).stem, studies.KEYS)
    said = {}
    for line in found:
        place = next(n for n, pair in enumerate(key.items.values()) if pair.sha256_base == line.sha256_base)  # type: ignore[union-attr]
        side = "tie" if line.choice == "tie" else "left" if line.choice == line.left else "right"
        said[place, line.question] = side
        assert line.reviewer == "Zoë"
        assert line.seconds is not None
    assert said == {
        (0, "overall"): "left",
        (0, "text"): "tie",
        (0, "flaws"): "right",
        (1, "overall"): "left",
        (1, "text"): "tie",
        (1, "flaws"): "left",
        (2, "text"): "right",
    }


def _start(page: Any, name: str) -> str:
    page.reload()
    page.fill("#name", name)
    page.keyboard.press("Enter")
    return str(page.text_content("#state"))


def test_people_who_share_a_browser_keep_their_own_answers(page: Any, tmp_path: Path) -> None:
    _start(page, "Zoë")
    for key in ("1", "1", "1", "Enter"):
        page.keyboard.press(key)
    assert _start(page, "Ann").startswith("0 of 6 pairs answered")
    assert not page.is_checked('#question-overall input[value="left"]')
    page.keyboard.press("3")
    saved = tmp_path / "ann.json"
    page.click("#stop")
    _saved(page, saved)
    assert [answer["overall"] for answer in json.loads(saved.read_text())["answers"]] == ["right"]
    assert _start(page, "Zoë").startswith("1 of 6 pairs answered")


def test_a_place_past_the_end_is_the_last_pair(page: Any) -> None:
    _start(page, "Zoë")
    page.evaluate(
        "for (const key of Object.keys(localStorage)) if (localStorage[key].startsWith('{')) "
        'localStorage[key] = localStorage[key].replace(/"place":[0-9]+/, \'"place":99\')'
    )
    assert _start(page, "Zoë").startswith("0 of 6 pairs answered")
    for key in ("1", "1", "1", "Enter"):
        page.keyboard.press(key)
    assert page.text_content("#left-over") == "5 pairs have no full answer yet."


def test_a_question_can_be_reached_by_the_tab_key_alone(page: Any) -> None:
    page.fill("#name", "Zoë")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")  # within the second question, as the browser does it
    assert page.is_checked('#question-text input[value="tie"]')
    page.keyboard.press("3")
    assert page.is_checked('#question-text input[value="right"]')
    assert not page.is_checked('#question-overall input[value="right"]')
    page.click("#question-flaws >> text=Left")
    page.keyboard.press("ArrowRight")  # after a click the arrows mean the question that is open
    assert page.is_checked('#question-overall input[value="right"]')
    assert page.is_checked('#question-flaws input[value="left"]')
    assert page.get_attribute("#left", "alt") == "Left picture"


def test_hostile_prompts_show_as_text_and_all_pairs_can_be_answered(page: Any, tmp_path: Path) -> None:
    page.fill("#name", '<img src=x onerror="alert(1)">')
    page.keyboard.press("Enter")
    texts = set()
    for _ in range(6):
        texts.add(page.text_content("#text"))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth === 16)")
        for key in ("1", "1", "1", "Enter"):
            page.keyboard.press(key)
    assert HOSTILE in texts
    assert page.text_content("#left-over") == "You answered all pairs."
    _saved(page, tmp_path / "all.json")
    assert _sur("review-import", str(tmp_path / "all.json"), "--task", "preference") == 0
    assert len(read(Path("reviews/preference"), PreferenceAnswer)) == 18
