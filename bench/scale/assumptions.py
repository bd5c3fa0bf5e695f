"""What is not measured here and not counted: prices, cards, sizes of pictures, and the machine that limits are set by.

Assumptions of November 2026. Prices are round figures to be replaced by one's own, no quotation of anybody.
"""

from dataclasses import dataclass

SHARE_REACHED = 0.40
"""Of a card's peak, where no bench on that card has measured it."""


@dataclass(frozen=True)
class Card:
    """A GPU."""

    name: str
    peak_flop_s: float
    """The vendor's dense peak in half precision, accumulating in float32."""
    plain_flop_s: float
    """The vendor's peak in float32 without tensor cores, which is what torch takes for float32."""
    memory_gb: float
    usd_an_hour: float
    devices: tuple[str, ...]
    """Parts of the names that torch gives the card."""


CARDS = (
    Card("RTX 3090", 71e12, 35.6e12, 24, 0.30, ("RTX 3090",)),
    Card("H100/H200", 989e12, 67e12, 141, 3.50, ("H100", "H200")),
)
"""The vendors' figures, noted from memory; memory of the H200 (an H100 has 80 GB)."""


def card_named(device: str) -> Card | None:
    """The card by the name that torch gives it; None where it is not in the list."""
    return next((card for card in CARDS if any(part in device for part in card.devices)), None)


USD_A_CORE_HOUR = 0.04
USD_A_GB_MONTH = 0.02
USD_A_PERSON_HOUR = 20.0
REVIEW_S_A_PAIR = 2.0
"""A person on a page of many pictures who clicks the wrong ones (planned, never measured)."""

PNG_B = 360_000
"""A picture of 512 x 512 px as PNG (one was measured); lossless WebP 258 kB, JPEG 95 83 kB."""
RENDITION_B = 225_000
"""A rendition of Civitai of 512 to 800 px: 150 to 300 kB."""
DIFFUSIONDB_B = 6.5e12 / 14e6
"""A picture of DiffusionDB: 6.5 TB for 14 million (its README)."""
ITEM_B = 5e6 / 3251
"""An item of Civitai's API as JSON, which ``meta_json`` keeps: 5 MB for 3,251 in August 2023."""


@dataclass(frozen=True)
class Machine:
    """What one well-equipped user has."""

    memory_b: float = 64e9
    disk_b: float = 4e12
    days: float = 30.0
    """Patience with a site's rate limit, a card or a processor."""
    cores: int = 16
    reviewer_hours: float = 160.0
    """One person for a month."""


MACHINE = Machine()
