import random

import pytest

from miniature import corpus, language, words
from miniature.understanding import Meaning, Said, understand
from miniature.world import Group, Scene, any_scene

PEOPLE = Scene((Group(2, "person", "red", "jumping"),), "blue")
PAIR = Scene((Group(2, "circle", "red"), Group(1, "circle", "white")), "grey")


def _scenes(count=150):
    rng = random.Random(4)
    return [any_scene(rng) for _ in range(count)]


def test_sentences_mean_their_scene_whatever_the_wording():
    rng = random.Random(5)
    for scene in _scenes():
        for text in (
            language.caption(scene),
            language.plain_sentence(scene),
            language.simple_prompt(scene, rng),
            language.simple_prompt(scene, rng, wording="unseen"),
        ):
            assert understand(text) == Meaning.of(scene), text


def test_complex_prompts_name_count_colour_kind_action_and_ground_in_plain_words():
    rng = random.Random(6)
    for scene in _scenes():
        prompt = language.complex_prompt(scene, rng)
        assert f"{scene.ground} background" in prompt
        for group in scene.groups:
            assert language.plain_name(Group(group.count, "circle", group.colour)).rsplit(" ", 1)[0] in prompt
            assert group.action is None or group.action in prompt


def test_complex_prompts_carry_weights_quality_words_and_any_order():
    rng = random.Random(7)
    prompts = [language.complex_prompt(PEOPLE, rng) for _ in range(60)]
    assert any("(two red people jumping:1." in prompt for prompt in prompts)
    assert all(sum(word in prompt for word in words.QUALITY_WORDS) >= 2 for prompt in prompts)
    assert len({prompt.split(", ")[0] for prompt in prompts}) > 5


def test_unseen_wording_shares_no_phrase_with_seen_wording():
    for table in (words.COLOUR_TERMS, words.COUNT_TERMS, words.ACTION_TERMS):
        for term in table.values():
            assert not {term.plain, *term.seen, *term.seen_likeness} & {*term.unseen, *term.unseen_likeness}
    for noun in words.KIND_TERMS.values():
        assert not {noun.plain, *noun.seen} & {*noun.unseen}
    assert not {*words.FRAMES["seen"]} & {*words.FRAMES["unseen"]}


def test_no_phrase_means_two_things():
    phrases = [statement.split(" means ")[0] for statement in corpus.statements()]
    assert len(phrases) == len(set(phrases))


def test_the_usual_caption_of_a_scene_is_always_the_same():
    assert language.caption(PEOPLE) == language.caption(PEOPLE)


def test_atoms_ask_for_each_skill_of_a_group_and_for_the_ground():
    asked = language.atoms(PEOPLE)
    assert [(atom["skill"], atom["class"], atom["answer"]) for atom in asked] == [
        ("counting", "person", "two"),
        ("colour", "person", "red"),
        ("action", "person", "jumping"),
        ("colour", "ground", "blue"),
    ]
    assert asked[0]["question"] == "Are there exactly two people?"
    assert all(atom["depends_on"] == [] for atom in asked)


def test_counting_two_groups_of_one_kind_tells_them_apart_by_colour():
    first, _, second, *_ = language.atoms(PAIR)
    assert (first["count"], first["colour"], second["count"], second["colour"]) == (2, "red", 1, "white")
    assert second["question"] == "Is there exactly one white circle?"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a picture of nothing", Meaning((), None)),
        ("crimson discs", Meaning((Said(kind="circle", colour="red"),), None)),
        ("seven, on a slate wall", Meaning((Said(count=7),), "grey")),
    ],
)
def test_what_a_sentence_does_not_say_stays_open(text, meaning):
    assert understand(text) == meaning


def test_meanings_agree_field_by_field():
    truth = Meaning.of(PAIR)
    said = understand("one white star and two red circles on a black background")
    assert said.agrees(truth, "count")
    assert said.agrees(truth, "colour")
    assert not said.agrees(truth, "kind")
    assert not said.agrees(truth, "ground")


def test_meanings_match_group_by_group_in_any_order():
    truth = Meaning.of(PAIR)
    mixed_up = understand("one red circle and two white circles on a grey background")
    assert all(mixed_up.agrees(truth, field) for field in ("count", "colour", "kind", "action", "ground"))
    assert not mixed_up.matches(truth)
    assert understand("one white circle and two red circles on a grey background").matches(truth)
    assert not understand("one white circle and two red circles on a black background").matches(truth)
    assert not understand("two red circles on a grey background").matches(truth)


def test_the_corpus_holds_statements_and_sentences_with_their_meaning():
    texts = corpus.reading(random.Random(8), 400)
    assert any(text in corpus.statements() for text in texts)
    assert any(" in other words " in text for text in texts)
