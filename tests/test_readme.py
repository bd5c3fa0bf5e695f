"""The README says what is there: its commands, its stages, its tree."""

import re

import pytest
from ruamel.yaml import YAML

from pipeline import app
from tests import tree
from tests.closure import ROOT

README = (ROOT / "README.md").read_text()
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
COMMANDS = "\n".join(line[4:] for line in README.splitlines() if line.startswith("    "))


def test_the_tree_is_the_one_on_disk():
    assert tree.replaced(README) == README, "python -m tests.tree writes it"


def test_every_file_of_the_tree_says_what_it_is():
    assert not [line for line in tree.tree().splitlines() if not line[42:].strip()]


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^    make (\w+)", README, re.MULTILINE))
    assert {"repro", "test"} <= targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^sur ([\w-]+)", COMMANDS, re.MULTILINE))))
def test_sur_commands_exist(command, capsys):
    with pytest.raises(SystemExit) as caught:
        app.main([command, "--help"])
    assert caught.value.code == 0
    assert f"sur {command}" in capsys.readouterr().out


def test_every_stage_has_its_row_and_its_place_in_the_graph():
    rows = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    assert rows == list(STAGES)
    graph = README[README.index("```mermaid") :].split("```")[1]
    assert all(name in graph for name in STAGES)


def test_pictures_are_there():
    assert all((ROOT / path).is_file() for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README))


def test_ci_calls_the_test_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text()
