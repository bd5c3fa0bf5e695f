"""Which benchmarks there are: ``python -m bench`` lists them, ``python -m bench.<name>`` runs one."""

import ast
from pathlib import Path

HERE = Path(__file__).parent
STARTS = 'if __name__ == "__main__":'

modules = {path.stem: path for path in HERE.glob("[a-z]*.py") if STARTS in path.read_text(encoding="utf-8")}
packages = {path.parent.name: path.with_name("__init__.py") for path in HERE.glob("*/__main__.py")}
for name, path in sorted({**modules, **packages}.items()):
    summary = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[0]
    print(f"python -m bench.{name:14} {summary}")
