"""The three tasks: what the page gets to see, and the lines that answers become."""

import pytest

from pipeline import tables
from pipeline.answers import PreferenceAnswer, SemanticVerdict, TripletVerdict
from pipeline.errors import InputError
from pipeline.generated import MANIFEST
from pipeline.review_page import pairs, semantic, triplets
from pipeline.review_page.pairs import Pairs
from pipeline.review_page.semantic import Semantic
from pipeline.review_page.task import Place, said
from pipeline.review_page.triplets import Triplets
from tests.pipeline.review_page.made import cleaned, facts, manifest, manifest_row, queue, row

OWN = {"reviewer": "Ann", "adjudicated": False}


def triplets_of(count=3, **known):
    return Triplets(queue([row(at) for at in range(count)]), cleaned([facts(at, **known) for at in range(count)]))


def test_a_pair_is_shown_with_both_prompts_and_its_picture():
    task = triplets_of()
    shown = task.facts(1)
    assert [text["text"] for text in shown["texts"]] == ["caption 1", "prompt 1, 8k"]
    assert task.places(1) == (Place("part-00000.parquet", "a:0001", row(1)["image_sha256"]),)
    assert (shown["flagged"], shown["copies"]) == (False, 0)
    assert shown["page_url"] == "https://example.org/1"


def test_an_address_that_would_run_is_no_link():
    task = Triplets(queue([{**row(0), "page_url": "javascript:alert(1)"}]), cleaned([facts(0)]))
    assert task.facts(0)["page_url"] == ""


def test_a_pair_that_clean_does_not_know_is_neither_flagged_nor_a_duplicate():
    task = Triplets(queue([row(0), row(1)]), cleaned([facts(1, level=16)]))
    assert task.columns.filters["flagged"].tolist() == [False, True]
    assert not task.columns.filters["duplicates"].any()


def test_an_empty_queue_is_no_error():
    task = Triplets(queue([]), cleaned([]))
    assert len(task.rows) == 0
    assert task.columns.orders["duplicates"].tolist() == []


@pytest.mark.parametrize(("verdict", "reasons"), [("keep", ()), ("reject", ("nsfw", "watermark")), ("unsure", ())])
def test_a_verdict_on_a_pair_comes_back_from_its_line(verdict, reasons):
    task = triplets_of()
    words = said((("verdict", verdict),), reasons, "a note")
    line = task.line(2, words, **OWN)
    assert isinstance(line, TripletVerdict)
    assert task.rows[line.item] == 2
    assert task.heard(2, line) == words
    assert task.taken_back(2, **OWN).retracted


def test_pictures_of_all_arms_show_one_sentence():
    task = Semantic(manifest(prompts=1, images=1))
    assert [task.facts(at)["texts"][0]["text"] for at in range(3)] == ["sentence 0"] * 3
    assert len({str(task.facts(at)) for at in range(3)}) == 1  # nothing tells the arms apart


def test_pictures_can_be_filtered_by_the_skill_that_their_prompt_tests():
    rows = [manifest_row(0, 0, "base"), {**manifest_row(1, 0, "base"), "type": "counting"}]
    filters = Semantic(tables.from_rows(rows, MANIFEST)).columns.filters
    assert {name: found.tolist() for name, found in filters.items()} == {
        "action": [True, False],
        "counting": [False, True],
    }


def test_a_prompt_without_base_picture_is_left_out():
    rows = [manifest_row(0, 0, "base"), manifest_row(1, 0, "complex")]
    assert len(Semantic(tables.from_rows(rows, MANIFEST)).keys) == 1


def test_a_verdict_on_a_picture_names_its_bytes():
    task = Semantic(manifest())
    words = said((("verdict", "no"),), (), "three")
    line = task.line(4, words, **OWN)
    assert isinstance(line, SemanticVerdict)
    assert task.places(4)[0].sha256 == line.sha256
    assert task.rows[line.item] == 4
    assert line.whole == "no"
    assert task.taken_back(4, **OWN).item == line.item
    assert task.heard(4, line) == words
    by_skill = SemanticVerdict(
        sample_id="x", sha256="0" * 64, reviewer="Bob", answers={"action": "yes", "colour": "no"}
    )
    assert dict(task.heard(4, by_skill).answers) == {"verdict": "no"}


def pairs_of(reviewer="Ann", rows=None, **changed):
    table = manifest(prompts=40, images=2) if rows is None else tables.from_rows(rows, MANIFEST)
    return Pairs(table, reviewer, **{"seed": 0, "tie": True, **changed})


def test_sides_are_drawn_for_each_pair_and_person():
    def left(task):
        return [place.sample_id.rpartition("/")[2] for place in (task.places(at)[0] for at in range(80))]

    ann = left(pairs_of())
    assert 20 < ann.count("base") < 60
    assert ann == left(pairs_of())
    assert ann != left(pairs_of("Bob"))
    assert ann != left(pairs_of(seed=1))


def test_a_choice_of_a_side_is_one_of_an_arm_whoever_reads_it():
    ann, bob = pairs_of("Ann"), pairs_of("Bob")
    at = next(at for at in range(80) if ann.places(at) != bob.places(at))
    line = ann.line(at, said((("overall", "left"),)), **OWN)
    assert isinstance(line, PreferenceAnswer)
    assert ann.places(at)[0].sample_id.endswith(line.choices()["overall"])
    assert {place.sha256 for place in ann.places(at)} == {line.sha256_base, line.sha256_adapted}
    assert dict(ann.heard(at, line).answers) == {"overall": "left"}
    assert dict(bob.heard(at, line).answers) == {"overall": "right"}
    tie = ann.line(at, said((("flaws", "tie"),)), **OWN)
    assert dict(bob.heard(at, tie).answers) == {"flaws": "tie"}


def test_nothing_that_is_shown_of_a_pair_tells_the_sides():
    task = pairs_of()
    assert len({str(task.facts(at)) for at in range(2)}) == 1  # two pairs of one prompt
    assert "base" not in str(task.facts(0)) + str(task.questions(0))


def test_the_first_question_is_the_papers_and_a_tie_is_a_setting():
    questions = pairs_of().questions(0)
    assert len(questions) == 3
    assert questions[0].text == "Which of the following pictures do you think is of better quality?"
    assert {tuple(question.choices) for question in questions} == {("left", "right", "tie")}
    assert {tuple(question.choices) for question in pairs_of(tie=False).questions(0)} == {("left", "right")}


def test_methods_make_pairs_of_their_own_and_half_pairs_none():
    rows = [manifest_row(0, 0, arm, method=name) for name in (None, "seg") for arm in ("base", "adapted")]
    task = pairs_of(rows=[*rows, manifest_row(1, 0, "base")])
    assert len(task.rows) == len(list(task.keys)) == 2
    assert {place.sample_id.count("/") for place in task.places(1)} == {3}


def test_the_same_two_pictures_twice_are_one_pair():
    rows = [
        manifest_row(0, 0, arm, method=name, sha256="0" * 64) for name in (None, "seg") for arm in ("base", "adapted")
    ]
    assert len(pairs_of(rows=rows).keys) == 1


def test_a_table_without_pictures_is_told(tmp_path):
    tables.write(manifest(arms=["complex"]), tmp_path / "manifest.parquet", MANIFEST)
    with pytest.raises(InputError, match="has no picture of the base arm: run dvc repro sample"):
        semantic.load(tmp_path / "manifest.parquet")
    with pytest.raises(InputError, match="has no pair of a base and an adapted picture"):
        pairs.load(tmp_path / "manifest.parquet", "Ann", seed=0, tie=True)


def test_a_table_that_is_missing_is_told(tmp_path):
    with pytest.raises(InputError, match="run the stage that writes it"):
        triplets.load(tmp_path / "queue.parquet", tmp_path / "samples.parquet")
