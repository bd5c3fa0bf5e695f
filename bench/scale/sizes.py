"""The three sizes: the paper's, DiffusionDB's, and a billion."""

from dataclasses import dataclass

from bench.scale.assumptions import DIFFUSIONDB_B, RENDITION_B

SCRAPED, SCORED, KEPT = 114_148, 66_408, 57_603
"""The paper's pairs: scraped, after the CLIP filter, after review (arXiv 2305.05189, section 3.1)."""


@dataclass(frozen=True)
class Size:
    """Rows at each point of the workflow."""

    name: str
    records: int
    """Records with a picture; cleaning, of which the paper tells nothing, is taken to drop none."""
    picture_b: float
    """Bytes of one downloaded picture."""
    imported: bool
    """Read from a folder instead of asked from sites."""

    @property
    def scored(self) -> int:
        """Pairs after the CLIP filter, in the paper's share."""
        return round(self.records * SCORED / SCRAPED)

    @property
    def kept(self) -> int:
        """Pairs after review, in the paper's share: the data set."""
        return round(self.records * KEPT / SCRAPED)


PAPER = Size("57,603 pairs", SCRAPED, RENDITION_B, imported=False)
SIZES = (
    PAPER,
    Size("14 million", 14_000_000, DIFFUSIONDB_B, imported=True),
    Size("a billion", 1_000_000_000, DIFFUSIONDB_B, imported=True),
)
