"""Which first-party files decide a stage's result: the import closure of its module, read from the source."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pipeline", "stages", "miniature")

# An edit in these cannot change a result, so it must not re-run (re-scrape!) anything: messages, the command line,
# transport and its pace, scheduling, locking, atomic writing, reading of settings, digests of models, the shim.
NEUTRAL = frozenset(
    f"pipeline/{name}.py"
    for name in (
        "cli",
        "engine",
        "errors",
        "fault_words",
        "files",
        "http",
        "http_answers",
        "http_connections",
        "http_requests",
        "lanes",
        "model_folders",
        "operating",
        "pacing",
        "params",
        "picture_session",
        "pool_worker",
        "ray_engine",
        "ray_pool",
        "robots",
        "serving",
        "vision_shim",
        "work",
    )
)


def path_of(module: str) -> Path | None:
    """The file of a first-party module, relative to the root."""
    if module.split(".", maxsplit=1)[0] not in PACKAGES:
        return None
    stem = Path(*module.split("."))
    for candidate in (stem.with_suffix(".py"), stem / "__init__.py"):
        if (ROOT / candidate).is_file():
            return candidate
    return None


def imported(path: Path) -> Iterator[str]:
    """Names that a file imports, at the top or inside functions."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield module
                yield from (f"{module}.{name.name}" for name in names)


def closure(module: str) -> set[str]:
    """All first-party files that the module reaches, docstring-only ``__init__.py`` left out."""
    found: set[Path] = set()
    waiting = [path_of(module)]
    while waiting:
        path = waiting.pop()
        if path is None or path in found:
            continue
        found.add(path)
        waiting.extend(path_of(name) for name in imported(path))
    return {path.as_posix() for path in found if not _only_docstring(path)}


def _only_docstring(path: Path) -> bool:
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


def code_deps(module: str) -> list[str]:
    """What dvc.yaml must list as code of a stage."""
    return sorted(closure(module) - NEUTRAL)


def loaded_sections(module: str) -> set[str]:
    """The sections of params.yaml that a stage module loads: the constant arguments of its ``load`` calls."""
    path = path_of(module)
    assert path is not None
    sections = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and len(node.args) >= 2 and _called(node.func) == "load":
            match node.args[1]:
                case ast.Constant(value=str(name)):
                    sections.add(name)
    return sections


def _called(function: ast.expr) -> str:
    match function:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def rewritten(wiring: str) -> str:
    """The text of dvc.yaml with the code of every stage as its imports are today; all other lines as they are."""
    return re.sub(
        r"(    cmd: .*-m stages\.(\w+).*\n(?:.*\n)*?)((?:      - (?:pipeline|stages)/\S+\.py\n)+)",
        lambda found: found[1] + "".join(f"      - {name}\n" for name in code_deps(f"stages.{found[2]}")),
        wiring,
    )


if __name__ == "__main__":
    import sys

    if sys.argv[1:] == ["--write"]:
        wiring = ROOT / "dvc.yaml"
        wiring.write_text(rewritten(wiring.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print("\n".join(code_deps(f"stages.{sys.argv[1]}")))
