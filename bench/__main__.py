"""Which benchmarks there are: ``python -m bench`` lists them, ``python -m bench.<name>`` runs one."""

import ast
from pathlib import Path

for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
    summary = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[0]
    print(f"python -m bench.{path.stem:12} {summary}")
