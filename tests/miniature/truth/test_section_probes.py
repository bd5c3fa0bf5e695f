import pytest

from miniature.truth import section_probes
from miniature.truth.encoders import TEXT
from tests.miniature.truth import made


def test_the_section_names_best_layers_and_the_layer_in_force():
    text = "\n".join(section_probes.probes(made.probes(), ["![picture](x.png)"]))
    assert "learns from 100 sentences of training compositions" in text
    assert "the action of people (30 sentences a wording)" in text
    assert "Over both wordings count is read best from layer 2 (90.0 %; in force 90.0 %), colour from layer 2" in text
    assert "ground from layer 1 (95.0 %; in force 50.0 %)" in text
    assert (
        "Layer 2, which is in force, is right clearly more often than the text encoder for count, colour and action "
        "and does not differ clearly from it for ground."
    ) in text
    assert text.endswith("![picture](x.png)")


def test_a_layer_may_be_worse_than_the_text_encoder():
    text = "\n".join(section_probes.probes(made.probes(text=0.99, layer_2=0.3, unclear=0.1), []))
    assert (
        "Layer 2, which is in force, is right clearly less often than the text encoder for count, colour, ground and "
        "action."
    ) in text


def test_transfer_is_claimed_only_where_it_is_clear():
    nothing = section_probes.probes(made.probes(), [])
    assert any(
        "Layer 2 does not differ clearly from it for count, colour, ground and action. No layer is clearly above both "
        "the text encoder and the most frequent class for any field." in part
        for part in nothing
    )
    table = section_probes._transfer_table(made.probes())
    assert "| count | 30.0 % (layer 1) | 20.0 % | 20.0 % | 20.0 % |" in table
    clear = section_probes._transfer(made.probes(transfer=0.6))
    assert "Layer 2 is right clearly more often than the text encoder for count, colour and action" in clear
    assert (
        "The best of 2 layers, picked on these sentences, is clearly above both the text encoder and the most frequent "
        "class for count (layer 2), colour (layer 2) and action (layer 2)."
    ) in clear


@pytest.mark.parametrize(
    ("first", "second", "count", "expected"),
    [
        (0.6, 0.4, 400, "more"),
        (0.4, 0.6, 400, "less"),
        (0.6, 0.4, 20, None),
        (0.5, 0.5, 400, None),
        (1.0, 1.0, 5, None),
    ],
)
def test_a_difference_is_clear_beyond_its_error(first, second, count, expected):
    assert section_probes.clearly(first, second, count) == expected


def test_the_table_shows_every_fifth_layer_the_ends_and_the_one_in_force():
    line = {field: {"seen": 0.5, "unseen": 0.25} for field in ("count", "colour", "ground", "action")}
    accuracies = {**{str(layer): line for layer in range(1, 13)}, TEXT: line}
    chance = dict.fromkeys(line, 0.1)
    rows = section_probes._layers_table(accuracies, chance, 7).splitlines()[2:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [
        "layer 1", "layer 5", "layer 7 (in force)", "layer 10", "layer 12", TEXT, "most frequent class",
    ]  # fmt: skip
    assert rows[-1].count("10.0 %") == 8


def test_the_text_encoder_is_no_layer():
    assert list(section_probes.layers(made.probes()["mixed"])) == ["1", "2"]
