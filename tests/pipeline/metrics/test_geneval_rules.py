import pytest

from pipeline.metrics import geneval_rules as rules
from pipeline.metrics.geneval_rules import Found
from pipeline.metrics.settings import DetectorRules

GENEVAL = DetectorRules(threshold=0.3, counting_threshold=0.9, position_threshold=0.1, max_objects=16)


def _things(*scores, box=(0.0, 0.0, 10.0, 10.0)):
    return [Found(box, score) for score in scores]


def _no_colours(name, found, colours):
    raise AssertionError("colours were asked for")


@pytest.mark.parametrize(
    ("scores", "holds"),
    [((0.95, 0.91), True), ((0.95, 0.89), False), ((0.95, 0.94, 0.91), False), ((0.95, 0.94, 0.5), True), ((), False)],
)
def test_a_count_is_exact_and_asks_for_surer_things(scores, holds):
    atom = {"skill": "counting", "class": "cat", "count": 2}
    assert rules.answer(atom, {"cat": _things(*scores)}, GENEVAL, _no_colours)[0] is holds


def test_presence_asks_for_at_least_as_many():
    atom = {"skill": "object", "class": "cat"}
    assert rules.answer(atom, {"cat": _things(0.31, 0.9)}, GENEVAL, _no_colours) == (True, "2 of at least 1 cat found")
    assert not rules.answer(atom, {"cat": _things(0.3)}, GENEVAL, _no_colours)[0]
    assert not rules.answer({**atom, "count": 2}, {"cat": _things(0.9)}, GENEVAL, _no_colours)[0]


def test_the_surest_sixteen_count():
    few = GENEVAL.model_copy(update={"max_objects": 2})
    assert [thing.score for thing in rules.kept(_things(0.4, 0.9, 0.5), 0.3, few)] == [0.9, 0.5]


def test_only_the_surest_things_colours_count():
    seen = []

    def colours(name, found, among):
        seen.append(([thing.score for thing in found], list(among)))
        return ["red"] * len(found)

    atom = {"skill": "colour", "class": "car", "colour": "red"}
    assert rules.answer(atom, {"car": _things(0.4, 0.9)}, GENEVAL, colours) == (True, "car: red")
    assert seen == [([0.9], list(rules.COLOURS))]
    assert not rules.answer({**atom, "colour": "blue"}, {"car": _things(0.9)}, GENEVAL, colours)[0]
    assert not rules.answer({**atom, "count": 2}, {"car": _things(0.9)}, GENEVAL, colours)[0]


def test_a_colour_beyond_the_ten_is_added():
    asked = []
    rules.answer(
        {"skill": "colour", "class": "sky", "colour": "teal"},
        {"sky": _things(0.9)},
        GENEVAL,
        lambda name, found, among: asked.extend(among) or ["teal"],
    )
    assert asked == [*rules.COLOURS, "teal"]


CENTRE = (40.0, 40.0, 60.0, 60.0)


@pytest.mark.parametrize(
    ("box", "named"),
    [
        ((0.0, 40.0, 20.0, 60.0), {"left of"}),
        ((80.0, 40.0, 100.0, 60.0), {"right of"}),
        ((40.0, 0.0, 60.0, 20.0), {"above"}),
        ((40.0, 80.0, 60.0, 100.0), {"below"}),
        ((0.0, 0.0, 20.0, 20.0), {"left of", "above"}),
        ((42.0, 41.0, 62.0, 61.0), set()),
        (CENTRE, set()),
    ],
)
def test_where_a_box_lies(box, named):
    assert rules.relations(box, CENTRE, 0.1) == named


def test_a_direction_must_be_more_than_half_of_the_way_after_the_sizes_are_taken_off():
    assert rules.relations((45.0, 0.0, 65.0, 20.0), CENTRE, 0.1) == {"above"}  # 5 to the right is within 10 % of sizes
    assert rules.relations((50.0, 0.0, 70.0, 20.0), CENTRE, 0.0) == {"above"}  # 10 of 41 is less than half


def test_a_position_needs_both_things():
    atom = {"skill": "position", "class": "dog", "target": "cat", "position": "left of"}
    there = {"dog": _things(0.9, box=(0.0, 40.0, 20.0, 60.0)), "cat": _things(0.9, box=CENTRE)}
    assert rules.answer(atom, there, GENEVAL, _no_colours) == (True, "dog left of cat")
    assert not rules.answer({**atom, "position": "above"}, there, GENEVAL, _no_colours)[0]
    assert rules.answer(atom, {"dog": there["dog"]}, GENEVAL, _no_colours) == (False, "1 dog and 0 cat found")


def test_every_class_is_looked_for_once_and_actions_are_not():
    atoms = [
        {"skill": "position", "class": "dog", "target": "cat"},
        {"skill": "counting", "class": "cat"},
        {"skill": "action", "class": "bird"},
    ]
    assert rules.classes(atoms) == ["dog", "cat"]
