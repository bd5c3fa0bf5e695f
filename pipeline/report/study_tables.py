"""The tables of a study, several trainings side by side, from the figures that ``sur study`` wrote as JSON.

The layout is that of the paper's Tables 4 and 5, and of Tables 2 and 3 where each training drew with several methods.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from pipeline import metric_names
from pipeline.methods.settings import PLAIN
from pipeline.report import equality, paper
from pipeline.report.equality import compared
from pipeline.report.layout import (
    BETTER,
    GREY,
    NUMBER,
    PAPER,
    WORSE,
    Cell,
    Table,
)
from pipeline.report.numbers import NONE, interval, level, p_value, percent, points, signed
from pipeline.report.prompt_table import prompt_gain, prompts_note, prompts_title
from pipeline.report.words import ALL, P_DECIDES, TYPES, called, deciding_p, is_significant, kinds, skills, titled

ENDS = {"base": "base model, simple prompts", "complex": "base model, complex prompts (ceiling)"}
THE_PAPER = "the paper"
Study = Mapping[str, Any]
"""The content of ``docs/studies/<name>.json``."""
Row = Mapping[str, Any]
"""One of its rows: a training, or what it drew with one of several methods."""


def tables(study: Study) -> list[Table]:
    """All tables of a study's page, in their order."""
    found = [_methods_table(study) if has_methods(study) else _rows_table(study)]
    if study["contrasts"]:
        found.append(_contrasts_table(study))
    return found + [_prompts_table(row) for row in study["rows"] if row.get("prompts")]


def has_methods(study: Study) -> bool:
    """Whether a training of it drew with several methods."""
    return any("method" in row for row in study["rows"])


def _rows_table(study: Study) -> Table:
    """A line for each training, below the base model's; trainings share those, unless they change how one draws."""
    quality, tests = _present(study, "quality"), _present(study, "equivalence")
    head = ["Row", *_skill_heads(study), "CLIP score", *(metric_names.meaning(name).titled for name in quality)]
    head += ["Validation loss", *(f"Equal in {compared(name)}" for name in tests)]
    rows: list[list[Cell]] = []
    for _, alike in groupby(study["rows"], _both_ends):
        group = list(alike)
        rows += _ends(group, study, quality, len(tests))
        for row in group:
            rows.append([*_figures(row, study, quality, with_base=False), _loss(row, "adapted"), *_equal(row, study)])
            rows += _printed(row, study, quality, before=1, after=1 + len(tests))
    return Table(
        "Each row against the base model", _note(study, "with the adapter"), head, [*rows, *_without(study, len(head))]
    )


def _methods_table(study: Study) -> Table:
    """A line for each training and method, with the base model's figure in each cell: each method has a base."""
    quality, tests = _present(study, "quality"), _present(study, "equivalence")
    head = ["Row", "Method", *_skill_heads(study), "CLIP score"]
    head += [metric_names.meaning(name).titled for name in quality]
    head += [f"Equal in {compared(name)}" for name in tests]
    rows: list[list[Cell]] = []
    for row in study["rows"]:
        label, *rest = _figures(row, study, quality, with_base=True)
        rows.append([label, Cell(row.get("method", PLAIN)), *rest, *_equal(row, study)])
        rows += _printed(row, study, quality, before=2, after=len(tests))
    note = _note(study, "base model → adapter")
    return Table("Each row and method", note, head, [*rows, *_without(study, len(head))])


def _columns(study: Study) -> list[str]:
    """The types of prompts that any row was judged on, and their sum; the paper's where none was."""
    judged = {name: line for row in study["rows"] for name, line in row["accuracy"].items()}
    return skills(judged) or [*TYPES, ALL]


def _skill_heads(study: Study) -> list[str]:
    return [titled("all" if name == ALL else called(name, {})) for name in _columns(study)]


def _present(study: Study, kind: str) -> list[str]:
    """Metrics of picture quality of which any row has this kind of figure, in the paper's order."""
    found = {name for row in study["rows"] for name in row.get(kind, {})}
    return [name for name in metric_names.QUALITY if name in found]


def _note(study: Study, arms: str) -> str:
    first: Mapping[str, Any] = next((row["accuracy"] for row in study["rows"] if row["accuracy"]), {})
    sizes = [
        f"{called(name, first)} {first[name]['prompts']} prompts, {first[name]['pairs']} pairs" for name in kinds(first)
    ]
    return (
        f"Share of right images, {arms}, in parentheses: difference to the base model in points, "
        f"{level(study['confidence'])} interval over prompts, p (corrected by Holm over the skills, "
        "and over the methods where there are several). Paired by prompt "
        f"and first noise. Evaluated: {'; '.join(sizes) or 'no image was judged'}. CLIP score of adapted against base "
        "images: 0.5 is a tie. Equal: what the equivalence test shows (worse, no worse: by more than its margin), "
        f"difference, p. {P_DECIDES}"
    )


def _both_ends(row: Row) -> list[dict[str, Any]]:
    """Shares of right images of the base model on simple and on complex prompts."""
    return [{name: line.get(arm) for name, line in row["accuracy"].items()} for arm in ENDS]


def _ends(group: Sequence[Row], study: Study, quality: Sequence[str], tests: int) -> list[list[Cell]]:
    """The lines of the base model; its validation loss is told where it is one: each seed draws its own noise."""
    first = group[0]
    rows = []
    for (arm, label), share in zip(ENDS.items(), _both_ends(first), strict=True):
        losses = {row["validation"].get(arm) for row in group}
        shares = [NONE if share.get(name) is None else percent(share[name]) for name in _columns(study)]
        measured = [_score(name, first.get("quality", {}).get(name, {}).get(arm)) for name in quality]
        loss = _loss(first, arm) if len(losses) == 1 else Cell("differs")
        rows.append([Cell(label), *_numbers([*shares, NONE, *measured]), loss, *_numbers([NONE] * tests)])
    return rows


def _figures(row: Row, study: Study, quality: Sequence[str], *, with_base: bool) -> list[Cell]:
    """Label, skills, CLIP score and the picture's quality."""
    confidence, accuracy = study["confidence"], row["accuracy"]
    cells = [_skill(accuracy.get(name), confidence, with_base=with_base) for name in _columns(study)]
    score = NONE if row["clip_score"] is None else f"{row['clip_score']:.3f}"
    measured = [_measured(name, row.get("quality", {}).get(name), with_base=with_base) for name in quality]
    return [Cell(row["label"]), *cells, Cell(score, NUMBER), *measured]


def _skill(line: Mapping[str, Any] | None, confidence: float, *, with_base: bool) -> Cell:
    if line is None:
        return Cell(NONE, NUMBER)
    kind = ""
    if is_significant(line, confidence):
        kind = BETTER if line["difference"] > 0 else WORSE
    base = f"{percent(line['base'])} → " if with_base else ""
    return Cell(f"{base}{percent(line['adapted'])}", kind, difference(line))


def difference(line: Mapping[str, Any]) -> str:
    """``+1.2; +0.4 to +2.0; p 0.012``: with the corrected p where there is one."""
    return f"{points(line['difference'])}; {interval(line)}; p {p_value(deciding_p(line))}"


def _measured(name: str, line: Mapping[str, Any] | None, *, with_base: bool) -> Cell:
    if line is None:
        return Cell(NONE, NUMBER)
    digits = metric_names.meaning(name).digits
    base = f"{_score(name, line['base'])} → " if with_base else ""
    gain = f"{signed(line['difference'], digits)}; {interval(line, scale=1, digits=digits)}; p {p_value(line['p'])}"
    return Cell(f"{base}{_score(name, line['adapted'])}", NUMBER, gain)


def _score(name: str, value: float | None) -> str:
    return NONE if value is None else f"{value:.{metric_names.meaning(name).digits}f}"


def _equal(row: Row, study: Study) -> Iterator[Cell]:
    """Whether each equivalence test of the study showed equality in this row."""
    for name in _present(study, "equivalence"):
        line = row.get("equivalence", {}).get(name)
        if not line:
            yield Cell(NONE)
            continue
        difference = signed(line["difference"], metric_names.meaning(name).digits)
        p = p_value(equality.deciding(line, study["confidence"]))
        yield Cell(equality.shown(line, study["confidence"]), "", f"{difference}, p {p}")


def _printed(row: Row, study: Study, quality: Sequence[str], *, before: int, after: int) -> list[list[Cell]]:
    """A grey line with what the paper printed of such a run; none where it printed nothing."""
    figures = paper.figures(paper.Run(**row["run"])).get(row.get("method", PLAIN), {})
    if not figures:
        return []
    texts = [str(figures[name]) if name in figures else NONE for name in (*_columns(study), "clip_score", *quality)]
    cells = [THE_PAPER, *[""] * (before - 1), *texts, *[NONE] * after]
    return [[Cell(text, GREY) for text in cells]]


def _loss(row: Row, arm: str) -> Cell:
    return Cell(loss(row["validation"].get(arm)), NUMBER)


def loss(value: float | None) -> str:
    """Five digits, or a dash where there is none."""
    return NONE if value is None else f"{value:.5f}"


def _without(study: Study, columns: int) -> list[list[Cell]]:
    return [[Cell(label), Cell("no result"), *[Cell("")] * (columns - 2)] for label in study["without_result"]]


def _contrasts_table(study: Study) -> Table:
    rows = [
        [Cell(f"{found['about']} {found['where']}"), *_each(found["figures"], study, difference)]
        for found in study["contrasts"]
    ]
    note = (
        f"Points of right images more with it than without it, {level(study['confidence'])} interval, p, both rows' "
        f"adapted images paired by prompt; Holm over the skills of each line. {P_DECIDES}"
    )
    return Table("Rows against each other", note, ["", *_skill_heads(study)], rows)


def _each(lines: Mapping[str, Any], study: Study, text: Callable[[Mapping[str, Any]], str]) -> list[Cell]:
    return _numbers(text(lines[name]) if name in lines else NONE for name in _columns(study))


def _prompts_table(row: Row) -> Table:
    """The paper's Table 7: the share of right images of each prompt, and the paper's where it printed one."""
    printed = paper.table_7()
    with_paper = any(line["text"] in printed for line in row["prompts"])
    rows = [
        [
            Cell(line["text"]),
            Cell(called(line["type"], {})),
            *_numbers(percent(line[arm]) if arm in line else NONE for arm in ("base", "adapted")),
            Cell(prompt_gain(line.get("base"), line.get("adapted")), NUMBER),
            *([Cell(str(printed.get(line["text"], NONE)), GREY)] if with_paper else []),
        ]
        for line in row["prompts"]
    ]
    head = ["Prompt", "Type", "Base", "Adapter", "Δ", *([PAPER] if with_paper else [])]
    title = f"{prompts_title(with_paper=with_paper)}: {row['label']}"
    return Table(title, prompts_note(row["accuracy"].get(ALL)), head, rows)


def _numbers(texts: Iterator[str] | Sequence[str]) -> list[Cell]:
    return [Cell(text, NUMBER) for text in texts]
