"""The round trip: tasks for Label Studio, its export, and every verdict in ``reviews``."""

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from pipeline.answers import PreferenceAnswer, SemanticVerdict, Task, read
from pipeline.review import forms, studies
from pipeline.review.commands import take_in
from pipeline.review.studies import Scope
from pipeline.review.tasks import LABEL_STUDIO_CONFIG
from tests.pipeline.review import label_studio as made
from tests.pipeline.review import verdicts_made as data

FORMS: dict[str, Callable[[Any], str]] = {
    "JSON": made.as_json,
    "JSON_MIN": made.as_json_min,
    "CSV": made.as_csv,
    "TSV": lambda found: made.as_csv(found, "\t"),
}
TASKS = 1000
ENVIRONMENT = "SUR_LABEL_STUDIO"


@pytest.fixture(autouse=True)
def in_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _take_in(text: str, task: Task) -> Any:
    path = Path(f"export-of-{task}")
    path.write_text(text, encoding="utf-8")
    return take_in(path, task, ["Ann"], adjudicated=False)


def _triplets_kept(tasks: list[dict[str, Any]], said: list[dict[str, Any]]) -> None:
    """Every verdict is there once, with reasons and note."""
    found = {line["review_key"]: line for line in data.lines(Path("reviews/triplets"))}
    assert len(found) == len(data.lines(Path("reviews/triplets"))) == len(tasks)
    for task, answer in zip(tasks, said, strict=True):
        line = found[task["data"]["review_key"]]
        kept = {"verdict": line["verdict"], "reasons": line.get("reasons", []), "note": line.get("note", "")}
        assert kept == answer
        assert (line["reviewer"], line["seconds"]) == ("Ann", 3.25)


def _pairs_kept(key: studies.Key, said: list[dict[str, str]]) -> None:
    """Every answer is there once, about the arm that was on that side."""
    lines = read(Path("reviews/preference"), PreferenceAnswer)
    found = {(line.item, line.question): line.choice for line in lines}
    assert len(found) == len(lines) == 3 * len(said)
    for pair, answers in zip(key.items.values(), said, strict=True):
        assert isinstance(pair, studies.Pair)
        other = "adapted" if pair.left == "base" else "base"
        item = (pair.prompt_id, pair.index, pair.sha256_base, pair.sha256_adapted)
        means = {"left": pair.left, "right": other, "tie": "tie"}
        assert {question: found[item, question] for question in answers} == {
            question: means[side] for question, side in answers.items()
        }


@pytest.mark.parametrize("form", list(FORMS))
def test_a_thousand_verdicts_with_reasons_come_back(tmp_path: Path, form: str) -> None:
    tasks, said = data.triplet_tasks(tmp_path, TASKS), list(data.triplet_answers(TASKS))
    found = made.exported(tasks, {n: [made.annotation(n, data.triplet_result(one))] for n, one in enumerate(said)})
    outcome = _take_in(FORMS[form](found), "triplets")
    assert sum(outcome.taken.values()) == TASKS
    assert not outcome.passed_over
    _triplets_kept(tasks, said)
    written = Path("reviews/triplets/ann.jsonl").read_bytes()
    again = _take_in(FORMS[form](found), "triplets")
    assert (again.taken, again.passed_over) == ({}, {"already known": TASKS})
    assert Path("reviews/triplets/ann.jsonl").read_bytes() == written


@pytest.mark.parametrize("form", list(FORMS))
def test_a_thousand_pairs_come_back_with_sides_and_ties(form: str) -> None:
    key, said = data.pair_study(TASKS), list(data.pair_answers(TASKS))
    studies.save(key, studies.KEYS)
    annotations = {n: [made.annotation(n, data.pair_result(one))] for n, one in enumerate(said)}
    found = made.exported(data.pair_tasks(key), annotations)
    outcome = _take_in(FORMS[form](found), "preference")
    assert sum(outcome.taken.values()) == TASKS
    _pairs_kept(key, said)
    assert _take_in(FORMS[form](found), "preference").passed_over == {"already known": TASKS}


@pytest.mark.parametrize("form", list(FORMS))
def test_answers_by_skill_come_back_and_half_answered_pictures_do_not(form: str) -> None:
    key = studies.semantic(data.manifest(2).to_pylist(), data.PROMPTS, Scope(), 0)
    studies.save(key, studies.KEYS)
    shown = studies.shown(key, data.PROMPTS)
    tasks = [forms.task(one, [f"{one.item}.png"], "pictures") for one in shown]
    half = next(place for place, one in enumerate(shown) if one.asked == ("colour", "counting"))
    results = [[made.choices(skill, "yes" if n % 2 else "no") for skill in one.asked] for n, one in enumerate(shown)]
    results[half].pop()
    found = made.exported(tasks, {n: [made.annotation(n, result)] for n, result in enumerate(results)})
    outcome = _take_in(FORMS[form](found), "semantic")
    assert outcome.passed_over == {"incomplete": 1}
    lines = {line.sample_id: line for line in read(Path("reviews/semantic"), SemanticVerdict)}
    assert len(lines) == len(shown) - 1
    for n, one in enumerate(shown):
        if n != half:
            assert lines[one.sample_ids[0]].answers == dict.fromkeys(one.asked, "yes" if n % 2 else "no")


@pytest.mark.parametrize("form", list(FORMS))
def test_skipped_repeated_and_empty_tasks_are_told_apart(tmp_path: Path, form: str) -> None:
    one, two, three = data.triplet_tasks(tmp_path, 3)
    early, late = ([made.choices("verdict", word)] for word in ("keep", "reject"))
    annotations = {
        0: [made.annotation(1, late, second=9), made.annotation(2, early, second=5)],
        1: [made.annotation(3, early, skipped=True)],
        3: [made.annotation(4, early, second=7)],
    }
    outcome = _take_in(FORMS[form](made.exported([one, two, three, one], annotations)), "triplets")
    assert [line["verdict"] for line in data.lines(Path("reviews/triplets"))] == ["reject"]
    skipped = {"skipped": 1} if form == "JSON" else {}
    assert outcome.passed_over == {"said again in the file": 2, **skipped}


def test_an_older_export_puts_nothing_over_a_newer_answer(tmp_path: Path) -> None:
    (task,) = data.triplet_tasks(tmp_path, 1)
    exports = {
        word: made.as_json(made.exported([task], {0: [made.annotation(1, [made.choices("verdict", word)], second=at)]}))
        for word, at in {"keep": 1, "reject": 2, "unsure": 3}.items()
    }
    assert _take_in(exports["keep"], "triplets").taken
    assert _take_in(exports["unsure"], "triplets").taken
    assert _take_in(exports["reject"], "triplets").passed_over == {"older than what is there": 1}
    assert _take_in(exports["keep"], "triplets").passed_over == {"already known": 1}


def test_annotators_are_named_by_what_the_export_knows(tmp_path: Path) -> None:
    (task,) = data.triplet_tasks(tmp_path, 1)
    keep = [made.choices("verdict", "keep")]
    people = [3, {"id": 4, "email": "bob@example.org"}, {"id": 5}, 6]
    said = {0: [made.annotation(number, keep, who=who) for number, who in enumerate(people)]}
    Path("export.json").write_text(made.as_json(made.exported([task], said)))
    take_in(Path("export.json"), "triplets", ["6=Dora"], adjudicated=False)
    names = {line["reviewer"] for line in data.lines(Path("reviews/triplets"))}
    assert names == {"label-studio-3", "bob@example.org", "label-studio-5", "Dora"}


def test_tags_have_no_names_of_the_tasks_data(tmp_path: Path) -> None:
    # A collision would let data pass for an answer in JSON-MIN and CSV.
    (triplet,) = data.triplet_tasks(tmp_path, 1)
    pair = data.pair_study(1)
    picture = studies.semantic(data.manifest(1).to_pylist(), data.PROMPTS, Scope(), 0)
    shown = studies.shown(picture, data.PROMPTS)[0]
    for config, task in (
        (LABEL_STUDIO_CONFIG, triplet),
        (forms.config(pair), data.pair_tasks(pair)[0]),
        (forms.config(picture), forms.task(shown, ["x.png"], "pictures")),
    ):
        for name in task["data"]:
            assert f'name="{name}"' not in config
            assert "base" not in str(task["data"].get("item", ""))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A Label Studio of its own on loopback: its address and the header that lets us in."""
    home = os.environ.get(ENVIRONMENT)
    if not home:
        pytest.skip(f"{ENVIRONMENT} names no virtual environment with label-studio==1.23.2 (docs/label-studio.md)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(20)
    account = ["--username", "test@example.org", "--password", secrets.token_hex(8), "--user-token", token]
    place = ["--no-browser", "--internal-host", "127.0.0.1", "--port", str(port), "--data-dir", str(tmp_path / "ls")]
    quiet = {"COLLECT_ANALYTICS": "false", "LATEST_VERSION_CHECK": "false", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": ""}
    files = {
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(tmp_path),
    }
    settings = {**os.environ, **quiet, **files, "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true"}
    settings.pop("PYTHONPATH", None)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [Path(home) / "bin" / "label-studio", "start", *place, *account],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=settings,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address, process)
            yield address, {"Authorization": f"Token {token}"}
        finally:
            process.terminate()
            process.wait(30)


def _wait(address: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"{address}/health", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(1)
    raise RuntimeError(f"Label Studio did not start: {address}")


def _project(server: tuple[str, dict[str, str]], config: str, tasks: list[dict[str, Any]]) -> str:
    """The address of a new project with these tasks, some of which have annotations."""
    address, header = server
    body = {"title": "round trip", "label_config": config}
    made_project = requests.post(f"{address}/api/projects", headers=header, json=body, timeout=60)
    assert made_project.status_code == 201, made_project.text
    project = f"{address}/api/projects/{made_project.json()['id']}"
    answer = requests.post(f"{project}/import", headers=header, json=tasks, timeout=300)
    assert answer.json()["task_count"] == len(tasks), answer.text
    return project


def _annotate(server: tuple[str, dict[str, str]], project: str, results: list[Any]) -> None:
    """What the labelling page does for the first tasks."""
    address, header = server
    query = {"project": project.rsplit("/", 1)[1], "fields": "all", "page_size": len(results)}
    listed = requests.get(f"{address}/api/tasks", headers=header, params=query, timeout=60).json()["tasks"]
    for task, result in zip(sorted(listed, key=lambda task: int(task["id"])), results, strict=True):
        place, body = f"{address}/api/tasks/{task['id']}/annotations/", {"result": result, "lead_time": 3.25}
        assert requests.post(place, headers=header, json=body, timeout=60).status_code == 201


def _pictures_are_served(server: tuple[str, dict[str, str]], project: str, root: Path) -> None:
    """As the guide says: a storage on the subfolder; the root itself is refused."""
    address, header = server
    (root / "pictures").mkdir()
    (root / "pictures" / "one.png").write_bytes(b"a picture")
    place = f"{address}/api/storages/localfiles"
    for folder, status in ((root, 400), (root / "pictures", 201)):
        body = {"project": project.rsplit("/", 1)[1], "path": str(folder), "use_blob_urls": True}
        answer = requests.post(place, headers=header, json=body, timeout=60)
        assert answer.status_code == status, answer.text
    found = requests.get(f"{address}/data/local-files/?d=pictures/one.png", headers=header, timeout=60)
    assert (found.status_code, found.content) == (200, b"a picture")


def _with(task: dict[str, Any], result: list[Any]) -> dict[str, Any]:
    return {**task, "annotations": [{"result": result, "lead_time": 3.25}]}


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_real_label_studio_keeps_every_verdict(tmp_path: Path, server: tuple[str, dict[str, str]]) -> None:
    by_page = 40
    tasks, said = data.triplet_tasks(tmp_path, 600), list(data.triplet_answers(600))
    results = [data.triplet_result(one) for one in said]
    whole = [task if n < by_page else _with(task, results[n]) for n, task in enumerate(tasks)]
    triplets = _project(server, LABEL_STUDIO_CONFIG, whole)
    _annotate(server, triplets, results[:by_page])
    key, sides = data.pair_study(400), list(data.pair_answers(400))
    studies.save(key, studies.KEYS)
    pair_results = [data.pair_result(one) for one in sides]
    pairs = [task if n < by_page else _with(task, pair_results[n]) for n, task in enumerate(data.pair_tasks(key))]
    preference = _project(server, forms.config(key), pairs)
    _annotate(server, preference, pair_results[:by_page])
    _pictures_are_served(server, preference, tmp_path)
    for place, form in enumerate(FORMS):
        query = {"exportType": form, "download_all_tasks": "true"}
        for project, task in ((triplets, "triplets"), (preference, "preference")):
            answer = requests.get(f"{project}/export", headers=server[1], params=query, timeout=300)
            outcome = _take_in(answer.text, task)  # type: ignore[arg-type]
            count = 600 if task == "triplets" else 400
            assert sum(outcome.taken.values()) == (0 if place else count)
            assert outcome.passed_over == ({"already known": count} if place else {})
        _triplets_kept(tasks, said)
        _pairs_kept(key, sides)
