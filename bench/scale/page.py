"""docs/scale.md, made from what was counted and measured."""

from pathlib import Path
from typing import Any

from bench.markdown import templates
from bench.scale import assumptions, costs, counting, limits, words
from bench.scale.architectures import LLAMA
from bench.scale.assumptions import CARDS, MACHINE
from bench.scale.costs import Costing
from bench.scale.rates import Rates
from bench.scale.sizes import SIZES

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
TEMPLATE = "scale.md.j2"
MODELS = ("blip", "clip", "llama_13B")
EXPECTED = ("captioning", "scoring", "embedding", "engines", "real_shapes")
"""Benches that the arithmetic does not need; the page says which of them have not run."""

APART = ("flops", "real_run")
"""Results that stand elsewhere: in the arithmetic, and in docs/real-shapes.md."""


def render(rates: Rates) -> str:
    """The whole page.

    Raises:
        MissingError: a figure is missing that the arithmetic needs.
    """
    environment = templates(Path(__file__).parent)
    filters = (words.size, words.flop, words.seconds, words.hours, words.usd, words.count, words.digits, words.against)
    environment.filters.update({f.__name__: f for f in filters})
    return environment.get_template(TEMPLATE).render(**facts(rates))


def facts(rates: Rates) -> dict[str, Any]:
    """What the template shows."""
    costings = [Costing(size, rates) for size in SIZES]
    return {
        "assumed": assumptions,
        "cards": CARDS,
        "costings": costings,
        "paper": costings[0],
        "stages": list(zip(*(costing.stages for costing in costings), strict=True)),
        "flop": rates.bench("flops"),
        "tokens": counting.PROMPT_TOKENS,
        "llama": LLAMA,
        "limits": limits.limits(rates),
        "machine": MACHINE,
        "near_duplicates": [limits.near_duplicates_s(size.records) for size in SIZES],
        "pictures": costs.pictures(),
        "rates": rates,
        "shares": [(model, card, rates.measured_share(model, card)) for model in MODELS for card in CARDS],
        "measured": [(name, rates.bench(name), rates.machine(name)) for name in rates.names() if name not in APART],
        "not_run": [name for name in EXPECTED if not rates.bench(name)],
        "feeding": feeding(rates),
    }


def feeding(rates: Rates) -> list[tuple[str, str, float, float]]:
    """For each card and picture model: pictures a second on the card, and cores that it takes to prepare them."""
    found = []
    stages = {cost.stage: cost for cost in Costing(SIZES[0], rates).stages}
    for card in CARDS:
        for stage, prepare in (("caption", "blip_ms"), ("clip_filter", "clip_ms")):
            cost = stages[stage]
            pictures_s = SIZES[0].records / (cost.gpu_h(card, rates) * costs.HOUR)
            core_s = (rates("pictures", "decode_ms") + rates("pictures", prepare)) / 1000
            found.append((card.name, stage, pictures_s, pictures_s * core_s))
    return found
