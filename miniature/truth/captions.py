"""The captions of ``data/caption`` against the pictures' scenes."""

from typing import Any

from miniature.measures import captions
from miniature.truth.inputs import Rows, Truth
from miniature.understanding import Meaning, understand
from miniature.world import PERSON, Scene
from pipeline.tables import KEY

FIELDS = ("count", "colour", "kind", "action", "ground")
KINDS = ("shapes", "people", "two groups")


def exactness(rows: Rows, truth: Truth) -> dict[str, Any]:
    """Shares of captions that say each field right, over all pictures and by what they show.

    Args:
        rows: CAPTIONS.
        truth: of each of them.

    Returns:
        For ``all`` and each of KINDS that occurs: ``captions``, and the shares by field and for ``all`` fields;
        ``mixed_up``, the captions whose fields are right one by one but belong to the wrong groups.
    """
    pairs = [(row["simple_prompt"], _scene(truth, row[KEY])) for row in rows]
    found: dict[str, Any] = {"all": _shares(pairs)}
    for kind in KINDS:
        if chosen := [pair for pair in pairs if kind_of(pair[1]) == kind]:
            found[kind] = _shares(chosen)
    return {"by_kind": found, "mixed_up": sum(_mixed_up(text, scene) for text, scene in pairs)}


def kind_of(scene: Scene) -> str:
    """Which of KINDS a scene is."""
    if len(scene.groups) == 2:
        return "two groups"
    return "people" if scene.groups[0].kind == PERSON else "shapes"


def right(text: str, scene: Scene) -> bool:
    """Whether a caption says all of a scene and nothing else."""
    return understand(text).matches(Meaning.of(scene))


def _shares(pairs: list[tuple[str, Scene]]) -> dict[str, Any]:
    found = captions([text for text, _ in pairs], [scene for _, scene in pairs])
    shares = {field: found[f"caption_{field}_right"] for field in (*FIELDS, "all") if f"caption_{field}_right" in found}
    return {"captions": len(pairs), **shares}


def _mixed_up(text: str, scene: Scene) -> bool:
    said, shown = understand(text), Meaning.of(scene)
    return not said.matches(shown) and all(said.agrees(shown, field) for field in FIELDS)


def _scene(truth: Truth, name: str) -> Scene:
    scene: Scene = truth[name]["scene"]
    return scene
