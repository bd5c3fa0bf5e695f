"""dvc.yaml says what the code does: commands, code, paths and parameters."""

import ast
import re

import pytest
from ruamel.yaml import YAML

from tests.closure import NEUTRAL, ROOT, code_deps, loaded_sections, path_of, rewritten

STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
PARAMS = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
MODULES = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")


def deps(name):
    return [dep for dep in STAGES[name].get("deps", []) if isinstance(dep, str)]


def outputs(name):
    found = []
    for kind in ("outs", "metrics", "plots"):
        for out in STAGES[name].get(kind, []):
            found.append(out if isinstance(out, str) else next(iter(out)))
    return found


def test_every_module_is_a_stage_and_every_stage_a_module():
    assert sorted(STAGES) == MODULES


@pytest.mark.parametrize("name", MODULES)
def test_the_command_runs_the_stages_module(name):
    assert f"-m stages.{name}" in STAGES[name]["cmd"]


@pytest.mark.parametrize("name", MODULES)
def test_code_dependencies_are_the_import_closure(name):
    listed = sorted(dep for dep in deps(name) if dep.endswith(".py") and not dep.startswith("miniature/"))
    assert listed == code_deps(f"stages.{name}")


def test_code_lines_are_mended_and_nothing_else():
    wiring = (ROOT / "dvc.yaml").read_text()
    assert rewritten(wiring) == wiring
    assert rewritten(wiring.replace("      - pipeline/vae.py\n", "").replace("losses.py", "gone.py")) == wiring


def test_the_judge_named_in_the_settings_is_code_of_the_evaluation():
    listed = sorted(dep for dep in deps("evaluate") if dep.startswith("miniature/"))
    assert listed == code_deps(PARAMS["evaluate"]["judges"][0]["module"])
    assert not [
        name
        for name in STAGES
        if name != "evaluate"
        for dep in deps(name)
        if dep.startswith("miniature/") and dep.endswith(".py")
    ]


@pytest.mark.parametrize("name", MODULES)
def test_outputs_lie_in_the_stages_own_folder(name):
    assert outputs(name)
    assert all(out.startswith(f"data/{name}/") for out in outputs(name))


@pytest.mark.parametrize("name", MODULES)
def test_every_stage_reports_figures_that_git_keeps(name):
    reports = [metric for metric in STAGES[name]["metrics"] if next(iter(metric)).endswith("report.json")]
    assert len(reports) == 1
    assert all(next(iter(metric.values())) == {"cache": False} for metric in STAGES[name]["metrics"])


@pytest.mark.parametrize("name", [name for name in MODULES if name != "check"])
def test_every_stage_waits_for_the_check(name):
    assert "data/check/ran.json" in deps(name)


@pytest.mark.parametrize("name", MODULES)
def test_paths_in_the_code_are_declared(name):
    """Every ``Path("data/...")`` constant of a stage is one of its dependencies or outputs, or lies inside one."""
    path = path_of(f"stages.{name}")
    declared = [*deps(name), *outputs(name)]
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        match node:
            case ast.Call(func=ast.Name(id="Path"), args=[ast.Constant(value=str(constant))]):
                if constant.startswith(("data", "reviews", "prompts")):
                    assert any(
                        known.startswith(constant) or constant.startswith(known.split("${")[0]) for known in declared
                    ), constant


@pytest.mark.parametrize("name", [name for name in MODULES if name != "check"])
def test_parameters_are_those_that_the_code_reads(name):
    listed = {param.replace("${item.source}", "lexica") for param in STAGES[name].get("params", [])}
    read = loaded_sections(f"stages.{name}") - {"compute"}
    assert {param.split(".")[0] for param in listed} == {section.split(".")[0] for section in read}


def _keys(section, names):
    """``llm.dtype`` and the others."""
    return [f"{section}.{name}" for name in names.split()]


# Keys of a section that a stage loads but does not read for its result; everything else must be listed.
NOT_READ = {
    "scrape": {"sources"},  # lists its own site and the salt; contact, timeouts and attempts change no record
    "download": {"sources", "image.resize", "image.format", "image.quality"},  # lists sources.enabled, image.side_px
    "clean": {"sample"},  # lists sample.prompts
    "evaluate": {"sample", "clip.margin", "clip.min_simple", "clip.min_complex"},
    "review_import": {"review.overlap", "review.reviewers", "review.tie", "review.seed"},  # who is asked what
    "embed": {"llm.layer"},
    "train": {"clip.margin", "clip.min_simple", "clip.min_complex", "llm.layers"},
    "report": {
        *_keys("blip", "backend dtype prompt decoding beams top_p seed repetition_penalty min_length max_length"),
        *_keys("clip", "weights dtype long_prompts margin min_simple min_complex"),
        *_keys("llm", "layers dtype quantisation store_dtype final_norm pool_bos states states_layer"),
        *_keys("diffusion", "dtype"),
        *_keys("adapter", "official_checkpoint mixing h3 depth heads feed_forward dropout g_init seed llm4gen llmdiff"),
        *_keys("loss", "temperature llm_kl alignment_kl tokens student llm_target llm_scale entity_weight w0_seed"),
    },
}


@pytest.mark.parametrize("name", [name for name in MODULES if name != "check"])
def test_no_parameter_is_forgotten(name):
    listed = set(STAGES[name].get("params", []))
    for section in {key.split(".")[0] for key in loaded_sections(f"stages.{name}")} - {"compute"}:
        if section in listed or section in NOT_READ.get(name, set()):
            continue
        assert {f"{section}.{key}" for key in PARAMS[section]} - listed == {
            key for key in NOT_READ.get(name, set()) if key.startswith(f"{section}.")
        }


@pytest.mark.parametrize("name", MODULES)
def test_listed_parameters_exist(name):
    for param in STAGES[name].get("params", []):
        if isinstance(param, str):
            value = PARAMS
            for key in param.replace("${item.source}", "lexica").split("."):
                value = value[key]


def test_what_cannot_change_results_is_listed_nowhere():
    listed = {dep for name in STAGES for dep in deps(name)}
    assert not listed & NEUTRAL
    assert not [
        param for name in STAGES for param in STAGES[name].get("params", []) if str(param).startswith("compute")
    ]


def test_the_layer_belongs_to_training_and_the_report_alone():
    readers = [
        name for name in STAGES if any(param in ("llm", "llm.layer") for param in STAGES[name].get("params", []))
    ]
    assert readers == ["train", "report"]
    assert "data/embed/layers/layer_${llm.layer}.parquet" in deps("train")


def test_no_habits_that_lie_about_freshness():
    for stage in STAGES.values():
        assert not stage.get("frozen")
        assert not stage.get("always_changed")
        assert not any(
            isinstance(out, dict) and next(iter(out.values())).get("persist") for out in stage.get("outs", [])
        )


@pytest.mark.parametrize("name", MODULES)
def test_the_help_text_says_what_is_read_written_and_needed(name):
    text = ast.get_docstring(ast.parse((ROOT / "stages" / f"{name}.py").read_text()))
    assert [heading for heading in ("Reads ", "Writes ", "Params ") if f"\n{heading}" in text] == [
        "Reads ",
        "Writes ",
        "Params ",
    ]
    written = text[text.index("\nWrites ") : text.index("\nParams ")]
    said = re.findall(r"data/[\w<>/.{},]+", written)
    said = [path for entry in said for path in _unfolded(entry)]
    for out in outputs(name):
        assert any(path.startswith(out.replace("${item.source}", "<source>")) for path in said), out
    declared = [out.replace("${item.source}", "<source>") for out in outputs(name)]
    for path in said:
        assert any(path.startswith(out) for out in declared), path


def _unfolded(path):
    """``plots/{a,b}.png`` as both."""
    found = re.match(r"(.*)\{(.*)\}(.*)", path)
    return [found[1] + name + found[3] for name in found[2].split(",")] if found else [path]
