import csv
from typing import Any

from pipeline.metrics import prompt_shares
from pipeline.metrics.evidence import Evidence, People
from pipeline.metrics.pictures import Picture
from pipeline.metrics.readers import Measured
from pipeline.prompts import Prompt

PROMPTS = {
    name: Prompt(name, f"a {name}", None, "colour", ({"skill": "colour"},), "authored", wording)
    for name, wording in (("disc", "seen"), ("star", "unseen"))
}


def _lines(methods: tuple[str, ...], right: set[str]) -> list[dict[str, Any]]:
    """``right`` has methods and arms whose images are right: ``canny adapted``."""
    shown = [
        Picture(f"{name}/00/{arm}/{method}", arm, name, "colour", 0, cell=f"sd {method}")
        for method in methods
        for name in PROMPTS
        for arm in ("base", "adapted")
    ]
    rows = [
        {"sample_id": each.sample_id, "judge": "fake", "atom": 0, "verdict": f"{each.cell[3:]} {each.arm}" in right}
        for each in shown
    ]
    evidence = Evidence(shown, Measured(verdicts=rows), People([], [], {}), ["fake"], PROMPTS)
    return list(csv.DictReader(prompt_shares.as_csv(evidence).splitlines()))


def test_a_prompts_line_says_how_it_is_worded_and_by_which_method() -> None:
    disc, star = _lines(("canny",), {"canny adapted"})
    assert disc == {
        "prompt_id": "disc",
        "type": "colour",
        "source": "authored",
        "wording": "seen",
        "text": "a disc",
        "method": "canny",
        "adapted": "1.0000",
        "base": "0.0000",
    }
    assert star["wording"] == "unseen"


def test_further_methods_have_columns_of_their_own_and_the_plain_one_comes_first() -> None:
    disc, _ = _lines(("canny", "none"), {"canny adapted", "canny base"})
    assert (disc["method"], disc["base"], disc["adapted"]) == ("none", "0.0000", "0.0000")
    assert (disc["base canny"], disc["adapted canny"]) == ("1.0000", "1.0000")


def test_methods_stand_in_the_order_of_the_papers_tables_and_a_prompt_nobody_judged_has_its_line_too() -> None:
    disc, _ = _lines(("panorama", "weighting"), {"panorama adapted", "panorama base"})
    assert (disc["method"], disc["base"], disc["adapted panorama"]) == ("weighting", "0.0000", "1.0000")
    shown = [Picture(f"disc/00/{arm}", arm, "disc", "colour", 0, cell="sd none") for arm in ("base", "adapted")]
    nobody = Evidence(shown, Measured(), People([], [], {}), [], PROMPTS)
    (line,) = csv.DictReader(prompt_shares.as_csv(nobody).splitlines())
    assert (line["prompt_id"], line["source"], line["base"], line["adapted"]) == ("disc", "authored", "", "")
