"""prompts.csv: the share of right images of each prompt (the layout of the paper's Table 7), with all methods."""

import csv
import io

from pipeline.metrics.comparison import by_prompt
from pipeline.metrics.evidence import Evidence
from pipeline.metrics.pictures import cells, method

ABOUT = ("type", "source", "wording", "text")
"""What a line says of its prompt."""


def as_csv(evidence: Evidence) -> str:
    """One line a prompt, in the order of ids; without any share where none of its pictures was judged.

    ``method`` is the first method (none, where it is among them), whose columns are called by the arm alone; those of
    further methods are called by arm and method: ``adapted canny``.
    """
    found = cells(evidence.pictures)
    first = method(next(iter(found)))
    rows: dict[str, dict[str, str]] = {}
    columns: list[str] = []
    for cell, shown in found.items():
        end = f" {method(cell)}" if columns else ""
        columns += [arm + end for arm in sorted({picture.arm for picture in shown})]
        for picture in shown:
            rows.setdefault(picture.prompt_id, {"method": first})
        for prompt_id, means in by_prompt(evidence.of(shown).right(), shown).items():
            rows[prompt_id] |= {arm + end: f"{mean:.4f}" for arm, mean in means.items()}
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ["prompt_id", *ABOUT, "method", *columns], lineterminator="\n")
    writer.writeheader()
    for prompt_id, row in sorted(rows.items()):
        prompt = evidence.prompts[prompt_id]
        writer.writerow({"prompt_id": prompt_id, **{name: getattr(prompt, name) for name in ABOUT}, **row})
    return stream.getvalue()
