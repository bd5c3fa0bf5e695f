import json
import shutil
import subprocess

import pytest

from pipeline import answers
from pipeline.answers import TripletVerdict
from pipeline.errors import InputError
from pipeline.review_page.standing import Standing
from pipeline.review_page.triplets import Triplets
from tests.closure import ROOT
from tests.pipeline.review_page.made import cleaned, facts, queue, row

ROWS = [row(number) for number in range(4)]


@pytest.fixture
def task():
    return Triplets(queue(ROWS), cleaned([facts(number) for number in range(4)]))


def write(folder, name, *lines, mode="a"):
    folder.mkdir(exist_ok=True)
    with (folder / f"{name}.jsonl").open(mode) as file:
        for number, verdict, more in lines:
            said = {"retracted": True} if verdict is None else {"verdict": verdict}
            line = {"review_key": ROWS[number]["review_key"], "reviewer": name, **said, **more}
            file.write(json.dumps(line) + "\n")


def followed(folder, task, reviewer="ann", **named):
    found = Standing(folder, task, reviewer, **named)
    found.refresh()
    return found


def verdicts(held):
    return {row: dict(words.answers)["verdict"] for row, words in held.items()}


def test_the_last_line_holds_and_a_retraction_takes_it_back(tmp_path, task):
    write(tmp_path, "ann", (0, "keep", {}), (1, "keep", {}), (0, "reject", {"reasons": ["nsfw"]}), (1, None, {}))
    found = followed(tmp_path, task)
    assert verdicts(found.mine) == {0: "reject"}
    assert found.mine[0].reasons == ("nsfw",)
    assert found.answered.tolist() == [True, False, False, False]


def test_it_agrees_with_the_rules_of_the_import(tmp_path, task):
    write(tmp_path, "ann", (0, "keep", {}), (0, None, {}), (0, "unsure", {}), (2, "keep", {}), (2, None, {}))
    write(tmp_path, "bob", (0, "reject", {}), (3, "keep", {}), (3, "reject", {"adjudicated": True}))
    found = followed(tmp_path, task)
    lines = answers.read(tmp_path, TripletVerdict)
    ours = {(line.item, line.verdict) for line in lines if line.reviewer == "ann" and not line.adjudicated}
    assert ours == {(ROWS[at]["review_key"], verdict) for at, verdict in verdicts(found.mine).items()}
    assert found.ruled.tolist() == [False, False, False, True]


def test_only_what_is_new_is_read(tmp_path, task, monkeypatch):
    write(tmp_path, "ann", (0, "keep", {}))
    write(tmp_path, "bob", (0, "reject", {}))
    found = followed(tmp_path, task)
    taken = []
    monkeypatch.setattr(found, "_take", lambda line, take=found._take: (taken.append(line.item), take(line)))
    found.refresh()
    assert taken == []
    write(tmp_path, "bob", (1, "keep", {}))
    found.refresh()
    assert taken == [ROWS[1]["review_key"]]
    assert found.people.tolist() == [1, 1, 0, 0]


def test_a_file_that_was_replaced_is_read_anew(tmp_path, task):
    write(tmp_path, "bob", (0, "keep", {}), (1, "keep", {}))
    found = followed(tmp_path, task)
    write(tmp_path, "bob", (2, "keep", {}), mode="w")
    found.refresh()
    assert found.people.tolist() == [0, 0, 1, 0]
    (tmp_path / "bob.jsonl").unlink()
    found.refresh()
    assert not found.people.any()


def test_a_file_that_was_written_anew_under_its_inode_is_read_anew(tmp_path, task):
    """As git pull does where it merges; here with more lines than before."""
    write(tmp_path, "bob", (0, "keep", {}), (1, "keep", {}))
    found = followed(tmp_path, task)
    inode = (tmp_path / "bob.jsonl").stat().st_ino
    write(tmp_path, "bob", (2, "keep", {}), (3, "keep", {}), (1, "reject", {}), mode="w")
    assert (tmp_path / "bob.jsonl").stat().st_ino == inode
    found.refresh()
    assert found.people.tolist() == [0, 1, 1, 1]
    assert dict(found.others[1]["bob"].answers) == {"verdict": "reject"}


def test_half_a_line_of_another_page_waits_for_the_rest(tmp_path, task):
    write(tmp_path, "bob", (0, "keep", {}))
    whole = (tmp_path / "bob.jsonl").read_bytes()
    (tmp_path / "bob.jsonl").write_bytes(whole + whole[:30])
    found = followed(tmp_path, task)
    with (tmp_path / "bob.jsonl").open("ab") as file:
        file.write(whole[30:])
    found.refresh()
    assert found.people.tolist() == [1, 0, 0, 0]


def test_a_broken_line_is_told_with_its_place(tmp_path, task):
    write(tmp_path, "bob", (0, "keep", {}), (1, "keep", {}))
    found = followed(tmp_path, task)
    with (tmp_path / "bob.jsonl").open("a") as file:
        file.write("\n{\n")
    with pytest.raises(InputError, match=r"bob\.jsonl, line 4: .*; repair or remove the line"):
        found.refresh()


def test_lines_of_other_pictures_do_not_count(tmp_path, task):
    write(tmp_path, "bob", (0, "keep", {"review_key": "f" * 64}))
    assert not followed(tmp_path, task).people.any()


def test_programs_do_not_count_as_people(tmp_path, task):
    write(tmp_path, "bob", (0, "keep", {"reviewer": "miniature truth (not a person)"}), (1, "reject", {}))
    found = followed(tmp_path, task)
    assert found.people.tolist() == [0, 1, 0, 0]
    assert 0 in found.others


def test_conflicts_are_between_people(tmp_path, task):
    write(tmp_path, "ann", (0, "keep", {}), (1, "keep", {}), (2, "keep", {}))
    write(tmp_path, "bob", (0, "reject", {}), (1, "keep", {}), (3, "unsure", {}))
    write(tmp_path, "x", (2, "reject", {"reviewer": "a rule (not a person)"}))
    found = followed(tmp_path, task, "ann", adjudicating=True)
    assert found.differing.tolist() == [True, False, False, False]
    write(tmp_path, "bob", (0, None, {}))
    found.refresh()
    assert not found.differing.any()


def test_a_ruling_that_is_taken_back_leaves_the_conflict(tmp_path, task):
    ruling = {"adjudicated": True}
    write(tmp_path, "cem", (0, "keep", ruling))
    found = followed(tmp_path, task)
    assert found.ruled[0]
    write(tmp_path, "cem", (0, None, ruling))
    found.refresh()
    assert not found.ruled[0]


def test_times_are_the_reviewers_own(tmp_path, task):
    write(tmp_path, "ann", (0, "keep", {"seconds": 2.0}), (1, "keep", {}), (2, "keep", {"seconds": 4.0}))
    write(tmp_path, "bob", (0, "keep", {"seconds": 9.0}))
    assert followed(tmp_path, task).seconds == [2.0, 4.0]


def test_git_merges_what_two_clones_appended_to_one_file(tmp_path, task):
    def git(*words):
        named = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
        subprocess.run(["git", *named, *words], cwd=tmp_path, check=True, capture_output=True)

    folder = tmp_path / "reviews/triplets"
    folder.parent.mkdir()
    git("init", "-b", "main")
    shutil.copy(ROOT / ".gitattributes", tmp_path)
    for branch, number in (("main", 0), ("desk", 1), ("laptop", 2)):
        if branch != "main":
            git("checkout", "-b", branch, "main")
        write(folder, "ann", (number, "keep", {}))
        git("add", "-A")
        git("commit", "-m", branch)
    git("merge", "desk")
    assert followed(folder, task).answered.tolist() == [True, True, True, False]
