"""The tree at the end of README.md, one line a file: ``python -m tests.tree`` writes it anew from the docstrings."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADING = "<!-- tree -->"
FOLDERS = ("stages", "pipeline", "miniature", "bench")
OTHERS = {
    "params.yaml": "the only settings in force",
    "profiles/": "whole settings files: miniature.yaml (equals params.yaml), paper.yaml",
    "dvc.yaml": "the only wiring",
    "dvc.lock": "what the last committed run read and wrote, by content",
    "data/": "one folder a stage; only report.json and metrics.json are in git",
    "studies/": "studies as files: rows of settings for sur study studies/<name>.yaml",
    "prompts/": "evaluation prompts: miniature.json, paper.json (the 18 that the paper prints, 27 of ours)",
    "reviews/": "people's verdicts: triplets/, semantic/, preference/",
    "takedown.txt": "samples, URLs or digests that must not be used",
    "miniature/models/": "the trained small models, each with card, measured quality and revision",
    "tests/": "mirrors pipeline/, stages/ and miniature/; test_dvc_yaml.py, test_experiments.py, test_readme.py",
    "docs/": "data.md (sources and imports), evaluation.md, scale.md (costs), adr/ (decisions), images/ (real outputs)",
    "bench/results/": "figures of the benches, with the machine that they were measured on",
    "constraints.txt": "the exact versions that are tested",
    "requirements-lavis.txt": "what blip.backend lavis needs, for make lavis: a folder of its own",
}


def tree() -> str:
    """The tree as text."""
    lines = [f"{name:42} {text}" for name, text in OTHERS.items()]
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            lines.append(f"{path.relative_to(ROOT).as_posix():42} {_summary(path)}")
    return "\n".join(lines)


def _summary(path: Path) -> str:
    text = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    return re.sub(r"\s+", " ", text).replace("``", "").rstrip(".:")


def section() -> str:
    """The README's section below its heading."""
    return f"{HEADING}\n\n```text\n{tree()}\n```\n"


def replaced(readme: str) -> str:
    """The README with the section of today."""
    return re.sub(rf"{HEADING}\n(\n```text\n.*?```\n)?", lambda _: section(), readme, flags=re.DOTALL)


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(replaced(readme.read_text(encoding="utf-8")), encoding="utf-8")
