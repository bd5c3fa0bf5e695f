"""What the report says of captions, duplicates and cleaning: tables and sentences, all from the figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from miniature.truth.captions import FIELDS
from miniature.truth.shares import counted, said
from pipeline.report.numbers import listed

Figures = Mapping[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def captions(found: Figures) -> list[str]:
    """Caption exactness: one row a kind of picture."""
    kinds = found["by_kind"]
    rows = [
        [kind, f"{line['captions']:,}", *(said(line.get(field)) for field in (*FIELDS, "all"))]
        for kind, line in kinds.items()
    ]
    return [
        "## Captions",
        table(["pictures", "captions", *FIELDS, "all of it"], rows),
        " ".join([_captions(kinds), _mixed_up(found["mixed_up"])]),
    ]


def _captions(kinds: Figures) -> str:
    whole = kinds["all"]
    shares = {field: whole[field] for field in FIELDS if field in whole}
    text = f"{said(whole['all'])} of {whole['captions']:,} captions say all of their picture and nothing else."
    best, worst = max(shares, key=shares.__getitem__), min(shares, key=shares.__getitem__)
    if shares[best] > shares[worst]:
        text += f" The {worst} is right least often ({said(shares[worst])}), the {best} most ({said(shares[best])})."
    exact = {kind: line["all"] for kind, line in kinds.items() if kind != "all"}
    easy, hard = max(exact, key=exact.__getitem__), min(exact, key=exact.__getitem__)
    if exact[easy] > exact[hard]:
        text += f" Of what pictures show, {hard} are told worst ({said(exact[hard])} wholly right) and {easy} best"
        text += f" ({said(exact[easy])})."
    return text


def _mixed_up(count: int) -> str:
    if not count:
        return "No caption has every value right and gives it to the wrong group."
    captions = "1 caption has" if count == 1 else f"{count:,} captions have"
    return f"{captions} every value right, one by one, but not all with their group; the last column counts that wrong."


def duplicates(found: Figures) -> list[str]:
    """Planted copies: recall over pairs, precision over drops."""
    rows = [
        [
            kind,
            f"{line['planted']:,}",
            counted(line["found"], line["pairs"]),
            counted(found["drops"][kind]["dropped"] - found["drops"][kind]["wrong"], found["drops"][kind]["dropped"]),
        ]
        for kind, line in found["pairs"].items()
    ]
    head = ["copy", "planted", "pairs of one picture found (recall)", "drops for it that are right (precision)"]
    return ["## Near duplicates", table(head, rows), f"{_missed(found['pairs'])} {_wrong(found)}"]


def _missed(pairs: Figures) -> str:
    text = (
        "A copy has the bytes of its original (exact) or was resized and compressed again (near). Two records of one "
        "picture, both met by the scrapers and good otherwise, are found if at most one of them stays; a picture that "
        "was copied twice makes three such pairs."
    )
    missed = {kind: line["pairs"] - line["found"] for kind, line in pairs.items()}
    if not any(missed.values()):
        return f"{text} No pair was missed."
    return f"{text} Missed: {listed([f'{count:,} {kind}' for kind, count in missed.items() if count])}."


def _wrong(found: Figures) -> str:
    wrong, dropped = (sum(line[key] for line in found["drops"].values()) for key in ("wrong", "dropped"))
    if not wrong:
        return f"None of the {dropped:,} drops took the last record of a picture."
    return (
        f"{counted(wrong, dropped)} drops took the last record of a picture that no other record shows; "
        f"for {found['same_scene']:,} of them another picture of the same scene stays."
    )


def cleaning(found: Figures) -> list[str]:
    """Planted faults: recall and precision by reason."""
    rows = [
        [
            fault.replace("_", " "),
            line["reason"],
            f"{line['planted']:,}",
            f"{line['met']:,}",
            f"{line['found']:,}",
            said(line["recall"]),
            f"{line['dropped']:,}",
            said(line["precision"]),
        ]
        for fault, line in found["by_fault"].items()
    ]
    head = ["planted", "reason", "on the sites", "met", "found", "recall", "dropped for it", "precision"]
    return ["## Cleaning reasons", table(head, rows), _cleaning(found)]


def _cleaning(found: Figures) -> str:
    lines = found["by_fault"].items()
    below = [fault for fault, line in lines if line["recall"] is not None and line["recall"] < 1]
    wrong = [line["reason"] for _, line in lines if line["precision"] is not None and line["precision"] < 1]
    absent = [fault for fault, line in lines if not line["met"]]
    text = "Recall counts the records that the scrapers met; a search that gives 50 results shows them only a part."
    text += f" Not all were found of {_spaced(below)}." if below else " Every fault that was met was found."
    text += f" Some drops were wrong for {_spaced(wrong)}." if wrong else " No drop for these reasons was wrong."
    text += f" None was met of {_spaced(absent)}." if absent else ""
    others = [f"{reason} ({count:,})" for reason, count in found["others"].items()]
    return f"{text} Dropped for reasons that were not planted: {_spaced(others) or 'none'}."


def _spaced(names: Sequence[str]) -> str:
    return listed([name.replace("_", " ") for name in names]) if names else ""
