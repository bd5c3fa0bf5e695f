from datetime import UTC, datetime

import pytest

from pipeline.answers import PreferenceAnswer, TripletVerdict, read
from pipeline.errors import InputError
from pipeline.review_page import command
from pipeline.review_page.desk import Answer
from pipeline.review_page.journal import Journal
from tests.pipeline.review_page.made import config, lines, workspace


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(workspace(tmp_path, 10))
    return tmp_path


def desk_of(task, name="Ann", *, adjudicating=False, **changed):
    path = command.REVIEWS / task / command.answers.file_name(name)
    journal = Journal(path, command.work.root() / "locks" / str(adjudicating))
    return command.open_desk(task, name, config(**changed), journal, adjudicating=adjudicating)


def items(desk, count=100):
    return desk.items("all", "seeded", 0, count)["items"]


def test_addresses_are_stable_and_tell_nothing(folder):
    first = [item["id"] for item in items(desk_of("semantic", "Ann"))]
    again = [item["id"] for item in items(desk_of("semantic", "Ann"))]
    assert first == again  # a restarted server knows an open page's addresses
    assert len(set(first)) == 18
    assert all(set(address) <= set("0123456789abcdef") and len(address) == 16 for address in first)


@pytest.mark.parametrize("task", ["triplets", "semantic", "preference"])
def test_two_people_share_no_address_so_that_a_browser_shows_nobody_the_others_sides(folder, task):
    ann, bob = ({item["id"] for item in items(desk_of(task, name))} for name in ("Ann", "Bob"))
    assert len(ann) == len(bob) > 0
    assert ann.isdisjoint(bob)


def test_a_question_of_a_pair_is_changed_alone(folder):
    desk = desk_of("preference")
    address = items(desk)[0]["id"]
    desk.take([Answer(id=address, answers={"overall": "left"}, seconds=1.5)])
    desk.take([Answer(id=address, answers={"overall": "left", "text": "tie"})])
    desk.take([Answer(id=address, answers={"overall": "right", "text": "tie"})])
    found = lines(folder, "preference/ann.jsonl")
    assert [line["answers"] for line in found] == [{"overall": "left"}, {"text": "tie"}, {"overall": "right"}]
    assert items(desk)[0]["mine"]["answers"] == {"overall": "right", "text": "tie"}


def test_taking_back_one_question_keeps_the_others(folder):
    desk = desk_of("preference")
    address = items(desk)[0]["id"]
    desk.take([Answer(id=address, answers={"overall": "left", "text": "right"})])
    desk.take([Answer(id=address, answers={}, taken_back=["text"])])
    held = read(command.REVIEWS / "preference", PreferenceAnswer)
    assert [line.question for line in held] == ["overall"]
    desk.take([Answer(id=address, answers={}, taken_back=["overall", "text", "flaws"])])
    assert read(command.REVIEWS / "preference", PreferenceAnswer) == []


def test_a_changed_note_is_a_line_too(folder):
    desk = desk_of("preference")
    address = items(desk)[0]["id"]
    desk.take([Answer(id=address, answers={"overall": "left"})])
    desk.take([Answer(id=address, answers={"overall": "left"}, note="too dark")])
    assert lines(folder, "preference/ann.jsonl")[1]["note"] == "too dark"


def test_a_pair_is_done_when_every_question_is_answered(folder):
    desk = desk_of("preference")
    address = items(desk)[0]["id"]
    assert desk.take([Answer(id=address, answers={"overall": "left"})]) == {
        **{"mine": 0, "begun": 1, "left": 6},
        "seconds_each": None,
    }
    whole = {"overall": "left", "text": "left", "flaws": "tie"}
    assert desk.take([Answer(id=address, answers=whole)])["mine"] == 1


def test_everybody_is_asked_for_every_preference(folder):
    for name in ("Ann", "Bob", "Cem"):
        desk = desk_of("preference", name)
        for item in items(desk):
            desk.take([Answer(id=item["id"], answers=dict.fromkeys(("overall", "text", "flaws"), "left"))])
        assert desk.progress() == {"mine": 6, "begun": 0, "left": 0, "seconds_each": None}


def test_how_long_the_rest_takes_is_told_from_ten_times_of_somebody_who_looked(folder):
    desk = desk_of("semantic")
    for at, item in enumerate(items(desk)[:12]):
        seconds = 0.05 if at < 2 else float(at)
        told = desk.take([Answer(id=item["id"], answers={"verdict": "yes"}, seconds=seconds)])
        assert told["seconds_each"] == (6.5 if at == 11 else None)


def test_a_line_says_when_it_was_said(folder):
    """So that an import does not put an older answer over it."""
    desk = desk_of("triplets")
    desk.take([Answer(id=items(desk)[0]["id"], answers={"verdict": "keep"})])
    (line,) = read(command.REVIEWS / "triplets", TripletVerdict)
    assert abs((datetime.now(UTC) - line.at).total_seconds()) < 60


def test_taking_back_what_was_never_said_writes_nothing(folder):
    desk = desk_of("triplets")
    desk.take([Answer(id=items(desk)[0]["id"], answers={}, taken_back=["verdict"])])
    assert lines(folder) == []


def test_an_answer_of_a_page_that_does_not_know_the_others_takes_none_of_them_back(folder):
    """Two tabs of one person: the second had fetched the pair before the first answered."""
    desk = desk_of("preference")
    address = items(desk)[0]["id"]
    desk.take([Answer(id=address, answers={"overall": "left"})])
    desk.take([Answer(id=address, answers={"text": "right"})])
    held = {line.question: line.choice for line in read(command.REVIEWS / "preference", PreferenceAnswer)}
    assert held.keys() == {"overall", "text"}
    assert items(desk)[0]["mine"]["answers"] == {"overall": "left", "text": "right"}
    assert not any(line.get("retracted") for line in lines(folder, "preference/ann.jsonl"))


def test_a_question_that_was_never_asked_cannot_be_taken_back(folder):
    desk = desk_of("triplets")
    with pytest.raises(InputError, match="no such question"):
        desk.take([Answer(id=items(desk)[0]["id"], answers={}, taken_back=["overall"])])


def test_an_answer_of_another_page_of_the_same_person_is_seen(folder):
    """For instance after git pull: the file grew while the page was open."""
    ann, elsewhere = desk_of("triplets"), desk_of("triplets", adjudicating=True)
    assert elsewhere.progress()["left"] == 0
    item = items(ann)[0]
    ann.take([Answer(id=item["id"], answers={"verdict": "keep"})])
    text = (command.REVIEWS / "triplets/ann.jsonl").read_text()
    other = next(one for one in items(ann) if one["id"] != item["id"])
    row = ann._row(other["id"])
    (command.REVIEWS / "triplets/ann.jsonl").write_text(
        text + text.replace(ann._task.keys[ann._row(item["id"])], ann._task.keys[row])
    )
    assert {item["id"], other["id"]}.isdisjoint(one["id"] for one in items(ann))


def test_who_decides_sees_what_the_others_said(folder):
    for name, verdict in (("Ann", "keep"), ("Bob", "reject")):
        desk = desk_of("triplets", name, overlap=1.0)
        address = next(item["id"] for item in items(desk) if item["texts"][0]["text"] == "caption 3")
        reasons = ["wrong_count"] if verdict == "reject" else []
        desk.take([Answer(id=address, answers={"verdict": verdict}, reasons=reasons, note="hm")])
    desk = desk_of("triplets", "Cem", adjudicating=True, overlap=1.0)
    (item,) = items(desk)
    assert [(one["reviewer"], one["answers"]["verdict"], one["reasons"]) for one in item["others"]] == [
        ("Ann", "keep", []),
        ("Bob", "reject", ["wrong_count"]),
    ]
    desk.take([Answer(id=item["id"], answers={"verdict": "reject"})])
    assert lines(folder, "triplets/cem.jsonl")[0]["adjudicated"] is True
    assert items(desk) == []


def test_reasons_belong_to_triplets(folder):
    desk = desk_of("semantic")
    with pytest.raises(InputError, match="no such reason"):
        desk.take([Answer(id=items(desk)[0]["id"], answers={"verdict": "no"}, reasons=["nsfw"])])
    assert desk.session()["reasons"] == {}


def test_a_side_that_is_not_there(folder):
    desk = desk_of("triplets")
    with pytest.raises(InputError, match="no such picture"):
        desk.picture(items(desk)[0]["id"], 1)
