from pathlib import Path

from pipeline.metrics import pictures
from pipeline.metrics.pictures import Picture
from tests.stages.generated_images import write_sample


def test_the_manifest_says_where_each_picture_belongs(tmp_path: Path) -> None:
    write_sample(tmp_path, lambda arm, index: "red")
    found = pictures.read(tmp_path / "manifest.parquet")
    assert len(found) == 10
    assert (found[0].sample_id, found[0].arm, found[0].type, found[0].index) == (
        "disc/00/adapted",
        "adapted",
        "colour",
        0,
    )
    assert set(pictures.digests(found).values()) == {found[0].sha256}


def test_pairs_are_found_by_cell_prompt_and_index() -> None:
    shown = [
        Picture("a", "base", "p", "colour", 1, cell="sd15/none"),
        Picture("b", "adapted", "p", "colour", 1, cell="sd15/none"),
        Picture("c", "base", "p", "colour", 1, cell="sd15/sag"),
    ]
    assert {place: sorted(arms) for place, arms in pictures.by_place(shown).items()} == {
        ("sd15/none", "p", 1): ["adapted", "base"],
        ("sd15/sag", "p", 1): ["base"],
    }
    assert {cell: len(part) for cell, part in pictures.cells(shown).items()} == {"sd15/none": 2, "sd15/sag": 1}
