import json

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.review_page.queue import ALL, MINE, SEEDED, Queue
from pipeline.review_page.standing import Standing
from pipeline.review_page.triplets import Triplets
from tests.pipeline.review_page.made import cleaned, config, facts, queue, row

COUNT = 200
ROWS = [row(number) for number in range(COUNT)]


@pytest.fixture
def task():
    groups = {3: "a:0001", 5: "a:0001", 7: "a:0002"}
    known = [facts(number, group=groups.get(number), level=8 if number == 9 else 1) for number in range(COUNT)]
    return Triplets(queue(ROWS), cleaned(known))


def opened(folder, task, reviewer="Ann", *, adjudicating=False, **changed):
    standing = Standing(folder, task, reviewer, adjudicating=adjudicating)
    standing.refresh()
    return Queue(task, standing, reviewer, config(**changed), adjudicating=adjudicating), standing


def say(folder, reviewer, rows, verdict="keep", **more):
    with (folder / f"{reviewer.lower()}.jsonl").open("a") as file:
        for at in rows:
            line = {"review_key": ROWS[at]["review_key"], "verdict": verdict, "reviewer": reviewer, **more}
            file.write(json.dumps(line) + "\n")


def asked(found, name=ALL, order=SEEDED):
    return found.ask(name, order, 0, COUNT)[0].tolist()


def test_everything_is_asked_once_in_an_order_of_ones_own(tmp_path, task):
    ann, bob = (asked(opened(tmp_path, task, name)[0]) for name in ("Ann", "Bob"))
    assert sorted(ann) == sorted(bob) == list(range(COUNT))
    assert ann != bob
    assert ann == asked(opened(tmp_path, task, "Ann")[0])
    assert ann != asked(opened(tmp_path, task, "Ann", seed=1)[0])


def test_what_was_judged_is_not_asked_again(tmp_path, task):
    say(tmp_path, "Ann", range(50))
    assert sorted(asked(opened(tmp_path, task)[0])) == list(range(50, COUNT))


def test_the_overlap_is_asked_of_two_and_no_more(tmp_path, task):
    found, _ = opened(tmp_path, task, overlap=0.2)
    twice = set(np.flatnonzero(found._needed == 2).tolist())
    assert 20 < len(twice) < 60
    say(tmp_path, "Bob", range(COUNT))
    assert set(asked(opened(tmp_path, task, overlap=0.2)[0])) == twice
    say(tmp_path, "Cem", range(COUNT))
    assert asked(opened(tmp_path, task, overlap=0.2)[0]) == []


def test_an_overlap_of_one_asks_everything_twice(tmp_path, task):
    say(tmp_path, "Bob", range(COUNT))
    assert len(asked(opened(tmp_path, task, overlap=1.0)[0])) == COUNT
    assert asked(opened(tmp_path, task, overlap=0.0)[0]) == []


def test_a_program_s_verdicts_take_nothing_off_the_queue(tmp_path, task):
    say(tmp_path, "miniature truth (not a person)", range(COUNT))
    assert len(asked(opened(tmp_path, task)[0])) == COUNT


def test_named_reviewers_divide_the_work_without_seeing_each_other(tmp_path, task):
    names = ("Ann", "Bob", "Cem")
    queues = {name: opened(tmp_path, task, name, reviewers=names, overlap=0.1)[0] for name in names}
    counts = np.bincount([at for name in names for at in asked(queues[name])], minlength=COUNT)
    assert (counts == queues["Ann"]._needed).all()


def test_who_is_not_named_is_told(tmp_path, task):
    with pytest.raises(InputError, match=r"Eve is none of review\.reviewers \(Ann, Bob\)"):
        opened(tmp_path, task, "Eve", reviewers=("Ann", "Bob"))


@pytest.mark.parametrize("names", [("Ann", "Ann"), ("Ann", " ")])
def test_each_reviewer_is_named_once(names):
    with pytest.raises(ValueError, match="must name each reviewer once"):
        config(reviewers=names)


def test_the_lowest_margin_may_come_first(tmp_path, task):
    found, _ = opened(tmp_path, task)
    rows = asked(found, order="margin")
    ranks = [ROWS[at]["rank"] for at in rows]
    assert ranks == sorted(ranks)


def test_duplicates_come_group_by_group(tmp_path, task):
    found, _ = opened(tmp_path, task)
    rows = asked(found, "duplicates")
    groups = [{1: 0, 3: 0, 5: 0, 2: 1, 7: 1}[at] for at in rows]
    assert sorted(rows) == [1, 2, 3, 5, 7]
    assert sorted(groups) in (groups, groups[::-1])
    assert found.left("duplicates") == 5


def test_flagged_are_those_above_pg_and_those_that_somebody_called_so(tmp_path, task):
    say(tmp_path, "Bob", [11], "reject", reasons=["nsfw"])
    found, _ = opened(tmp_path, task, overlap=1.0)
    assert sorted(asked(found, "flagged")) == [9, 11]


def test_ones_own_answers_come_newest_first(tmp_path, task):
    say(tmp_path, "Ann", [4, 8, 6, 4])
    assert asked(opened(tmp_path, task)[0], MINE) == [4, 6, 8]


def test_pages_of_a_queue_join_without_gap_or_double(tmp_path, task):
    found, standing = opened(tmp_path, task)
    whole, pages, start = asked(found), [], 0
    while start is not None:
        rows, start = found.ask(ALL, SEEDED, start, 30)
        pages += rows.tolist()
        say(tmp_path, "Ann", rows.tolist()[:10])
        standing.refresh()
    assert pages == whole


def test_conflicts_alone_are_asked_of_who_decides_and_once(tmp_path, task):
    say(tmp_path, "Ann", range(6))
    say(tmp_path, "Bob", range(3), "reject")
    say(tmp_path, "Cem", range(2), "reject", adjudicated=True)
    found, standing = opened(tmp_path, task, "Dora", adjudicating=True)
    assert asked(found) == [2]
    say(tmp_path, "Dora", [2], "keep", adjudicated=True)
    standing.refresh()
    assert asked(found) == []
    assert found.left(ALL) == 0


def test_asking_for_nothing_gives_nothing_and_stays_where_one_is(tmp_path, task):
    rows, after = opened(tmp_path, task)[0].ask(ALL, SEEDED, 5, 0)
    assert (rows.tolist(), after) == ([], 5)
