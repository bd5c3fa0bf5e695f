"""The arms of a sampling, which share prompt and first noise: the one place that names them."""

from collections.abc import Mapping
from typing import Literal, get_args

Reference = Literal["complex", "expanded"]
"""The base model on another wording of the prompt, as ``sample.reference_arms`` names it."""
BASE, ADAPTED = "base", "adapted"
COMPLEX: Literal["complex"] = "complex"
EXPANDED: Literal["expanded"] = "expanded"
REFERENCES: tuple[Reference, ...] = get_args(Reference)
ORDER = (BASE, ADAPTED, *REFERENCES)
"""In which they are shown."""
RIVALS = (EXPANDED,)
"""References that do what the adapter is for, only otherwise, so that it is tested against them. The complex wording is
no rival: nobody has it when generating; it is the ceiling."""
TITLES: Mapping[str, str] = {COMPLEX: "Base, complex prompt", EXPANDED: "Base, LLM-expanded prompt"}
"""Of a table's columns."""
