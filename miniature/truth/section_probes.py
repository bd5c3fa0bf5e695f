"""What the report says of the probes: tables and sentences, all from the figures."""

from collections.abc import Mapping, Sequence
from math import sqrt

from miniature.truth.encoders import TEXT
from miniature.truth.probes import FIELDS, WORDINGS
from miniature.truth.section_data import Figures, table
from miniature.truth.shares import said
from pipeline.report.numbers import listed

EVERY = 5
"""One layer in so many stands in the table."""


def probes(found: Figures, pictures: Sequence[str]) -> list[str]:
    """What a linear probe reads from each layer, and from the diffusion model's text encoder.

    Args:
        found: ``layer`` (in force), ``sentences`` (counts; ``by_field`` of those asked in one wording), ``chance``,
            and for each training, ``mixed`` and ``seen``, the accuracies ``[layer][field][wording]`` as
            ``probes.read`` gives, the text encoder among the layers.
        pictures: Markdown of the charts.
    """
    counts = found["sentences"]
    return [
        "## LLM probes by layer",
        f"A linear probe (ridge, closed form) learns from {counts['training']:,} sentences of training compositions, "
        f"half of them in unseen wording, and is asked about {counts['held_out']:,} held-out sentences, half of them "
        f"in each wording: count and colour of the first group, ground, and the action of people "
        f"({counts['by_field']['action']:,} sentences a wording). Of the LLM and of the diffusion model's {TEXT} it "
        "reads the mean over the prompt's own tokens. Unseen wording has fewer words for each thing than seen "
        "wording: compare rows, not wordings. Clear is a difference beyond 1.96 standard errors.",
        _layers_table(found["mixed"], found["chance"], found["layer"]),
        _best(found),
        "Probes trained on seen wording alone and asked in unseen wording show what a representation itself knows of "
        f"the unseen words. {_transfer(found)}",
        _transfer_table(found),
        *pictures,
    ]


def layers(accuracies: Mapping[str, Figures]) -> dict[str, Figures]:
    """The LLM's layers alone."""
    return {layer: line for layer, line in accuracies.items() if layer != TEXT}


def _layers_table(accuracies: Mapping[str, Figures], chance: Mapping[str, float], in_force: int) -> str:
    numbers = list(layers(accuracies))
    shown = sorted({numbers[0], *numbers[EVERY - 1 :: EVERY], numbers[-1], str(in_force)}, key=int)
    head = ["read from", *(f"{field}, {wording}" for field in FIELDS for wording in WORDINGS)]
    rows = [[_named(layer, in_force), *_row(accuracies[layer])] for layer in shown]
    rows.append([TEXT, *_row(accuracies[TEXT])])
    rows.append(["most frequent class", *(said(chance[field]) for field in FIELDS for _ in WORDINGS)])
    return table(head, rows)


def _named(layer: str, in_force: int) -> str:
    return f"layer {layer} (in force)" if int(layer) == in_force else f"layer {layer}"


def _row(line: Figures) -> list[str]:
    return [said(line[field][wording]) for field in FIELDS for wording in WORDINGS]


def _best(found: Figures) -> str:
    """Where each field is read best, and the layer in force against the text encoder; means of both wordings."""
    mixed = found["mixed"]
    mean = {
        layer: {field: sum(line[field].values()) / len(WORDINGS) for field in FIELDS} for layer, line in mixed.items()
    }
    own, text = mean[str(found["layer"])], mean[TEXT]
    told: list[str] = []
    for field in FIELDS:
        best = _top(mean, field)
        verb = "" if told else "is read best "
        told.append(f"{field} {verb}from layer {best} ({said(mean[best][field])}; in force {said(own[field])})")
    counts = {field: len(WORDINGS) * count for field, count in found["sentences"]["by_field"].items()}
    compared = _against(own, text, counts, f"Layer {found['layer']}, which is in force,")
    return f"Over both wordings {listed(told)}; the best layers are picked on these sentences. {compared}"


def _top(accuracies: Mapping[str, Mapping[str, float]], field: str) -> str:
    """The first of the LLM's layers that reads a field best."""
    return max(layers(accuracies), key=lambda layer: accuracies[layer][field])


def _against(ours: Mapping[str, float], text: Mapping[str, float], counts: Mapping[str, int], who: str) -> str:
    """For which fields a layer is right clearly more or less often than the text encoder."""
    told: dict[str, list[str]] = {"more": [], "less": [], "unclear": []}
    for field in FIELDS:
        clear = clearly(ours[field], text[field], counts[field])
        told[clear if clear else "unclear"].append(field)
    parts = [
        f"is right clearly {how} often than the {TEXT} for {listed(told[how])}" for how in ("more", "less") if told[how]
    ]
    if told["unclear"]:
        parts.append(f"does not differ clearly from it for {listed(told['unclear'])}")
    return f"{who} {listed(parts)}."


def clearly(first: float, second: float, count: int) -> str | None:
    """``more`` or ``less`` where two shares of ``count`` sentences differ by more than chance, None where they do not.

    Chance is 1.96 standard errors of the difference of two independent shares: the shares here are of the same
    sentences, whose difference is known better than that.
    """
    error = 1.96 * sqrt((first * (1 - first) + second * (1 - second)) / count)
    if abs(first - second) <= error:
        return None
    return "more" if first > second else "less"


def _unseen(found: Figures) -> dict[str, dict[str, float]]:
    """Accuracy in unseen wording of the probes that know the seen one alone: ``[layer][field]``."""
    return {layer: {field: line[field]["unseen"] for field in FIELDS} for layer, line in found["seen"].items()}


def _transfer(found: Figures) -> str:
    unseen, counts = _unseen(found), found["sentences"]["by_field"]
    sentence = _against(unseen[str(found["layer"])], unseen[TEXT], counts, f"Layer {found['layer']}")
    top = {field: _top(unseen, field) for field in FIELDS}
    above = [
        f"{field} (layer {top[field]})"
        for field in FIELDS
        if clearly(unseen[top[field]][field], max(found["chance"][field], unseen[TEXT][field]), counts[field]) == "more"
    ]
    verdict = f"clearly above both the {TEXT} and the most frequent class for"
    if not above:
        return f"{sentence} No layer is {verdict} any field."
    return (
        f"{sentence} The best of {len(layers(unseen))} layers, picked on these sentences, is {verdict} {listed(above)}."
    )


def _transfer_table(found: Figures) -> str:
    unseen = _unseen(found)
    rows = []
    for field in FIELDS:
        best = _top(unseen, field)
        own = [said(unseen[layer][field]) for layer in (best, str(found["layer"]), TEXT)]
        rows.append([field, f"{own[0]} (layer {best})", *own[1:], said(found["chance"][field])])
    return table(["field", "best layer", f"layer {found['layer']}", TEXT, "most frequent class"], rows)
