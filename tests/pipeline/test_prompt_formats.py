"""Made-up files in the benchmarks' formats: nothing of theirs is in the project."""

import json

import pytest
from pydantic import ValidationError

from pipeline import prompts
from pipeline.errors import InputError
from pipeline.model_folders import file_revision, folder_digest
from pipeline.prompt_formats import PublicPrompts

SHEEP = {"tag": "counting", "include": [{"class": "sheep", "count": 3}], "exclude": [{"class": "sheep", "count": 4}]}
BUS = {"tag": "colors", "include": [{"class": "bus", "count": 1, "color": "pink"}]}
PLACED = {
    "tag": "position",
    "include": [{"class": "cup", "count": 1}, {"class": "dog", "count": 1, "position": ["left of", 0]}],
}


def _named(path, kind):
    revision = folder_digest(path) if path.is_dir() else file_revision(path)
    return PublicPrompts(format=kind, path=str(path), revision=revision)


def _written(tmp_path, text, name, kind):
    path = tmp_path / name
    path.write_text(text)
    return _named(path, kind)


def _geneval(tmp_path, *lines):
    text = "".join(json.dumps({**line, "prompt": f"a photo {at}"}) + "\n" for at, line in enumerate(lines))
    return _written(tmp_path, text, "evaluation_metadata.jsonl", "geneval")


def test_genevals_clauses_become_atoms_with_questions(tmp_path):
    counted, coloured, placed = prompts.read([_geneval(tmp_path, SHEEP, BUS, PLACED)])
    assert (counted.id, counted.text, counted.type, counted.source) == (
        "geneval-00000",
        "a photo 0",
        "geneval_counting",
        "geneval",
    )
    assert counted.atoms[0]["skill"] == "counting"
    assert counted.atoms[0]["question"] == "Are there exactly three sheep?"
    assert (coloured.atoms[0]["skill"], coloured.atoms[0]["colour"]) == ("colour", "pink")
    assert [atom["skill"] for atom in placed.atoms] == ["object", "position"]
    assert (placed.atoms[1]["position"], placed.atoms[1]["target"]) == ("left of", "cup")
    assert placed.atoms[1]["question"] == "Is there a dog left of a cup?"


def test_a_benchmarks_counting_has_a_limit_and_a_figure_of_its_own(tmp_path):
    found = prompts.read(["prompts/paper.json", _geneval(tmp_path, SHEEP, BUS)])
    chosen = prompts.first_of_each_type(found, 1)
    assert [prompt.type for prompt in chosen] == ["counting", "colour", "action", "geneval_counting", "geneval_colors"]


def test_a_class_that_ends_in_s_has_its_plural(tmp_path):
    skis = {"tag": "counting", "include": [{"class": "bus", "count": 2}], "exclude": [{"class": "bus", "count": 3}]}
    assert prompts.read([_geneval(tmp_path, skis)])[0].atoms[0]["question"] == "Are there exactly two buses?"


def test_t2i_compbench_is_asked_by_noun_chunks_and_its_file_says_the_type(tmp_path):
    named = _written(tmp_path, "a red cup and a blue plate\n\na green door\n", "color_val_unseen.txt", "t2i_compbench")
    found = prompts.read([named])
    assert [(prompt.id, prompt.type) for prompt in found] == [
        ("color_val_unseen-00000", "t2i_compbench_color"),
        ("color_val_unseen-00001", "t2i_compbench_color"),
    ]
    assert found[0].atoms[0] == {"skill": "noun_chunks", "question": found[0].text}


HEAD = (
    "item_id,text,keywords,proposition_id,dependency,category_broad,category_detailed,tuple,question_natural_language\n"
)


def _dpg(tmp_path, rows):
    (tmp_path / "dpg/prompts").mkdir(parents=True)
    (tmp_path / "dpg/prompts/pier_1.txt").write_text("A pier with two gulls.\n")
    (tmp_path / "dpg/dpg_bench.csv").write_text(HEAD + rows)
    return _named(tmp_path / "dpg", "dpg_bench")


def test_dpg_bench_keeps_its_first_row_and_its_parents(tmp_path):
    rows = "pier_1,t,k,1,0,entity,whole,pier,Is there a pier?\npier_1,t,k,2,0,entity,whole,gulls,Are there gulls?\n"
    rows += 'pier_1,t,k,4,"1,2",relation,spatial,on,Are the gulls on the pier?\n'
    (found,) = prompts.read([_dpg(tmp_path, rows)])
    assert (found.id, found.text, found.type) == ("dpg-pier_1", "A pier with two gulls.", "dpg_bench")
    assert found.atoms[0]["question"] == "Is there a pier?"
    assert [atom["depends_on"] for atom in found.atoms] == [[], [], [0, 1]]


def test_parti_prompts_are_asked_as_a_whole(tmp_path):
    text = 'Prompt\tCategory\tChallenge\tNote\na "big" owl\tWorld Knowledge\tBasic\t\n'
    (found,) = prompts.read([_written(tmp_path, text, "PartiPrompts.tsv", "parti_prompts")])
    assert (found.id, found.type, found.wording) == ("parti-00000", "parti_prompts_world_knowledge", "public")
    assert found.atoms[0]["question"] == 'Does this figure show "a "big" owl"? Please answer yes or no.'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{}", r"jsonl, line 1: has no 'include'"),
        ("nonsense", r"jsonl, line 1: Expecting value"),
        (
            json.dumps(
                {**SHEEP, "include": [{"class": "sheep", "count": 30}], "exclude": [{"class": "sheep", "count": 31}]}
            ),
            "line 1",
        ),
    ],
)
def test_a_broken_line_is_told_with_its_place(tmp_path, line, said):
    with pytest.raises(InputError, match=said):
        prompts.read([_written(tmp_path, line + "\n", "evaluation_metadata.jsonl", "geneval")])


def test_a_question_about_nothing_is_told(tmp_path):
    with pytest.raises(InputError, match=r"dpg_bench\.csv: has no 9"):
        prompts.read([_dpg(tmp_path, "pier_1,t,k,1,9,entity,whole,pier,Is there a pier?\n")])


def test_a_prompt_of_dpg_bench_without_its_text_is_told(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read as dpg_bench.*gone_2\.txt"):
        prompts.read([_dpg(tmp_path, "gone_2,t,k,1,0,entity,whole,pier,Is there a pier?\n")])


def test_another_content_and_a_missing_path_are_refused(tmp_path):
    named = _geneval(tmp_path, SHEEP)
    with pytest.raises(InputError, match=r"have revision \w{16}, not 0000"):
        prompts.read([named.model_copy(update={"revision": "0000"})])
    with pytest.raises(InputError, match=r"prompts nowhere are missing: see sample\.prompts"):
        prompts.read([named.model_copy(update={"path": "nowhere"})])
    with pytest.raises(ValidationError):
        PublicPrompts(format="other", path="x", revision="y")  # type: ignore[arg-type]


def test_ours_and_a_benchmarks_stand_side_by_side(tmp_path):
    found = prompts.read(["prompts/paper.json", _geneval(tmp_path, SHEEP)])
    assert [prompt.source for prompt in (found[0], found[-1])] == ["paper_table7", "geneval"]
