import pytest

from pipeline.entity_pairs import pairs

TABLE = {
    "a red cube and a blue sphere": ["red cube", "blue sphere"],
    "two green apples": ["green apples"],
    "a woman in a white dress": ["white dress"],
    "a red and blue ball": ["red ball", "blue ball"],
    "red cubes and blue spheres": ["red cubes", "blue spheres"],
    "the shiny red car is parked near a small old house": [
        "shiny car",
        "red car",
        "parked car",
        "small house",
        "old house",
    ],
    "three ruby roundels on a black ground": ["ruby roundels", "black ground"],
    "a very small bird": ["small bird"],
    "a small, old, wooden table": ["small table", "old table", "wooden table"],
    "the ball is red": ["red ball"],
    "the ball is red and small": ["red ball", "small ball"],
    "roses are red and violets are blue": ["red roses", "blue violets"],
    "a cat that is black": ["black cat"],
    "the ball is red and the cube is blue": ["red ball", "blue cube"],
    "A Red Cube": ["Red Cube"],
    "red red red cube": ["red cube"] * 3,
    "a man jumping": [],
    "three cats": [],
    "the man is running": [],
    "": [],
    ", , !": [],
    "red": [],
}


@pytest.mark.parametrize("prompt", list(TABLE))
def test_attributes_find_their_entities(prompt):
    said = [" ".join(prompt[word.start : word.end] for word in pair) for pair in pairs(prompt)]
    assert said == TABLE[prompt]


def test_words_that_stand_twice_are_told_by_their_place():
    first, second = pairs("a red cube and a red cube")
    assert (first.attribute, first.entity) == ((2, 5), (6, 10))
    assert (second.attribute, second.entity) == ((17, 20), (21, 25))


def test_letters_without_a_lower_case_of_one_character_keep_their_places():
    prompt = "İ a red cube"
    [pair] = pairs(prompt)
    assert prompt[pair.attribute.start : pair.attribute.end] == "red"
