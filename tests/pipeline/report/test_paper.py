import csv
from dataclasses import replace
from typing import Any

import pytest

from pipeline.report import paper
from pipeline.report.paper import Arms, Run
from tests.closure import ROOT

SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
TABLES = ROOT.parent / "shared/data/paper_tables"
METHODS = {
    "none": "none",
    "controlnet_canny": "canny",
    "controlnet_seg": "seg",
    "prompt_weighting": "weighting",
    "multidiffusion": "panorama",
    "self_attention_guidance": "sag",
}
RUN = Run(SD15, "huggyllama/llama-13b", 40, "sur", llm_loss=True, complex_prompt_loss=True)


def test_every_method_of_tables_2_and_3_has_all_its_figures() -> None:
    for model in paper.MODELS:
        figures = paper.figures(replace(RUN, diffusion=model))
        assert tuple(figures) == paper.METHODS
        assert all(tuple(arms) == paper.METRICS for arms in figures.values())
    assert paper.figures(RUN)["panorama"]["clip_score"] == Arms(0.47, 0.516)
    assert figures["seg"]["preference"] == Arms(51.69, 48.31)


def test_another_layer_and_other_sizes_have_the_figures_of_table_4() -> None:
    layer = paper.figures(replace(RUN, layer=10))
    assert list(layer) == ["none"]
    assert layer["none"]["colour"] == Arms(81.33, 84.67)
    assert layer["none"]["clip_score"] == Arms(None, 0.502)
    sizes = paper.figures(replace(RUN, llm="huggyllama/llama-30b", layer=60))
    assert tuple(sizes) == paper.METHODS
    assert sizes["sag"]["counting"] == Arms(12.67, 20.67)
    assert paper.figures(replace(RUN, llm="huggyllama/llama-30b", layer=40)) == {}


def test_a_loss_that_is_off_has_the_figures_of_table_5() -> None:
    llm_alone = paper.figures(replace(RUN, complex_prompt_loss=False))
    assert llm_alone["none"]["counting"] == Arms(None, 34.67)
    assert paper.figures(replace(RUN, llm_loss=False))["none"]["brisque"] == Arms(None, 12.31)
    neither = paper.figures(replace(RUN, llm_loss=False, complex_prompt_loss=False))["none"]
    assert neither["action"].adapted == paper.figures(RUN)["none"]["action"].base  # the base model's own row
    assert paper.figures(replace(RUN, llm_loss=False, layer=10)) == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"diffusion": "miniature/models/diffusion"},
        {"llm": "another/llm"},
        {"kind": "llm4gen"},
        {"layer": 7},
        {"compat": "official"},
    ],
)
def test_what_the_paper_did_not_run_has_none_of_its_figures(changed: dict[str, Any]) -> None:
    assert paper.figures(replace(RUN, **changed)) == {}


def test_table_7_has_its_nine_prompts() -> None:
    assert len(paper.table_7()) == 9
    assert str(paper.table_7()["Seven vintage glass bottles."]) == "0 → 36.92"


def test_figures_read_as_one_arm_or_two() -> None:
    assert str(Arms(None, 0.414)) == "0.414"
    assert str(Arms(96.0, 94.0)) == "96 → 94"


def test_a_run_is_known_by_its_settings() -> None:
    params = {
        "diffusion": {"model": SD15},
        "llm": {"model": "huggyllama/llama-13b", "layer": 40},
        "adapter": {"kind": "sur", "compat": "none"},
        "loss": {"llm_weight": 1e-5, "alignment_weight": 0.0},
    }
    assert Run.of(params) == replace(RUN, complex_prompt_loss=False)
    params["adapter"]["compat"] = "official"
    assert Run.of(params).compat == "official"


@pytest.mark.skipif(not TABLES.is_dir(), reason=f"{TABLES.relative_to(ROOT.parent)} is not beside the checkout")
def test_the_figures_are_those_of_the_paper() -> None:
    """Beside the tables as they were taken from the paper, where those are at hand."""
    names = {"clip": "clip_score", "color": "colour", "clipiqa": "clip_iqa"}
    for row in _rows("table4"):
        llm = {size: name for name, (size, _) in paper.LLMS.items()}[row["llm"]]
        model = {short: name for name, short in paper.MODELS.items()}[row["dm"]]
        layer = int(row["layer"] or paper.LLMS[llm][1])
        if layer == 40 and row["llm"] == "13B":
            continue  # those of Tables 2 and 3 stand before Table 4's
        method = METHODS[row["method"]]
        found = paper.figures(replace(RUN, diffusion=model, llm=llm, layer=layer))[method]
        for name in ("clip", "action", "color", "counting", "brisque", "clipiqa", "musiq"):
            assert found[names.get(name, name)].adapted == float(row[name])
    for row in _rows("table2"):
        model = {short: name for name, short in paper.MODELS.items()}[row["dm"]]
        found = paper.figures(replace(RUN, diffusion=model))[METHODS[row["method"]]]
        for name in ("clip", "action", "color", "counting"):
            arms = Arms(float(row[f"{name}_baseline"]), float(row[f"{name}_ours"]))
            assert found[names.get(name, name)] == arms
    for row in _rows("table7"):
        assert paper.table_7()[row["prompt"]] == Arms(float(row["acc_baseline"]), float(row["acc_ours"]))


def _rows(name: str) -> list[dict[str, str]]:
    with (TABLES / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
