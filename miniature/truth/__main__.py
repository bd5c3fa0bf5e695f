"""The truth report of the miniature: every stage of the workflow scored against a truth that is known.

    python -m miniature.truth

Reads     data/ after a ``dvc repro`` (scrape, download, clean, caption, clip_filter), params.yaml, the models it names
Writes    docs/truth.md                 short tables, and what they show in words
          docs/truth.json               all figures
          docs/images/truth-*.png       charts
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from miniature.truth import captions, charts, encoders, filtering, inputs, planted, probes, section_data
from miniature.truth.encoders import TEXT
from miniature.truth.inputs import Inputs
from miniature.truth.probes import Encode, Sentences
from miniature.truth.rules import Rule, pairs_of, rule_of
from miniature.truth.section_probes import layers
from miniature.truth.section_probes import probes as probes_section
from miniature.truth.section_rules import rules as rules_section
from pipeline import cli
from pipeline.captioning import BlipParams
from pipeline.clip_rule import ClipParams
from pipeline.diffusion import DiffusionParams
from pipeline.engine import ComputeParams
from pipeline.files import write_json, write_text
from pipeline.llm import LlmParams
from pipeline.params import load
from pipeline.sources.settings import SourcesParams

DATA, DOCS = Path("data"), Path("docs")
TRAINING, HELD_OUT = 1500, 400
"""Sentences that probes learn from, and held-out compositions that they are asked about."""
TITLES = {
    "mixed": "Probes trained on both wordings (dotted: most frequent class)",
    "seen": "Probes trained on seen wording alone (dotted: most frequent class)",
}


def main() -> None:
    """Score the last run with the settings in force."""
    found = inputs.read(DATA, load(SourcesParams, "sources").enabled)
    llm, base, compute = load(LlmParams, "llm"), load(DiffusionParams, "diffusion"), load(ComputeParams, "compute")
    blip, clip = load(BlipParams, "blip"), load(ClipParams, "clip")
    models = {
        "BLIP": f"{blip.model} ({blip.revision})",
        "CLIP": f"{clip.model} ({clip.revision})",
        "LLM": f"{llm.model} ({llm.revision})",
        "diffusion model": f"{base.model} ({base.revision})",
    }
    data = data_figures(found, rule_of(clip))
    training, held_out = probes.training_sentences(TRAINING), probes.held_out_sentences(HELD_OUT)
    encode = [encoders.llm_layers(llm, compute), encoders.text_encoder(base, compute)]
    figures = {**data, "models": models, "probes": probe_figures(encode, training, held_out, llm.layer)}
    write(figures, found, DOCS)
    cli.say(f"truth: {DOCS / 'truth.md'}, {DOCS / 'truth.json'}, {DOCS / 'images'}/truth-*.png")


def data_figures(found: Inputs, asked: Rule) -> dict[str, Any]:
    """All figures of the stages' tables."""
    return {
        "captions": captions.exactness(found.captions, found.truth),
        "clip_rule": filtering.figures(found.scores, found.truth, asked),
        "duplicates": planted.duplicates(found.truth, found.fates),
        "cleaning": planted.faults(found.truth, found.fates),
    }


def probe_figures(encode: list[Encode], training: Sentences, held_out: Sentences, layer: int) -> dict[str, Any]:
    """All figures of the probes: the LLM's layers and the text encoder beside each other."""
    read = [probes.read(one, training, held_out) for one in encode]
    one_wording = held_out.of(probes.WORDINGS[:1])
    asked = {field: int((one_wording & probes.has(held_out.labels(field))).sum()) for field in probes.FIELDS}
    return {
        "layer": layer,
        "sentences": {"training": len(training.texts), "held_out": len(held_out.texts), "by_field": asked},
        "chance": probes.chance(training, held_out),
        **{name: {key: line for part in read for key, line in part[name].items()} for name in probes.TRAINED_ON},
    }


def write(figures: Mapping[str, Any], found: Inputs, docs: Path) -> None:
    """Write figures, charts and the page.

    Args:
        figures: of ``data_figures`` and ``probe_figures``, and ``models``: part -> model and revision.
        found: what they were made from; the scatter shows every pair.
        docs: the folder that is written to.
    """
    rules, probed = figures["clip_rule"], figures["probes"]
    chosen = rules["rules"][filtering.SECOND]["bounds"]["min_complex"]
    drawn = Rule(**{"margin": rules["margin"], **rules["minimums"], "min_complex": chosen})
    images = docs / "images"
    charts.scores(pairs_of(found.scores, found.truth), drawn, images / "truth-scores.png")
    charts.sweep(rules["curves"], chosen, images / "truth-rules.png")
    for name, title in TITLES.items():
        by_layer, text = layers(probed[name]), probed[name][TEXT]
        charts.probes(by_layer, text, probed["chance"], images / f"truth-probes-{name}.png", title=title)
    write_json(docs / "truth.json", figures)
    write_text(docs / "truth.md", page(figures))


def page(figures: Mapping[str, Any]) -> str:
    """The report as Markdown; pictures lie in ``images`` beside it."""
    models = "; ".join(f"{part} {model}" for part, model in figures["models"].items())
    probe_pictures = [_picture(f"probes-{name}", title) for name, title in TITLES.items()]
    rule_pictures = [
        _picture("scores", "Both CLIP scores of every pair and its truth"),
        _picture("rules", "Precision, recall and F1 as the minimum complex score rises"),
    ]
    parts = [
        "# What each stage gets right",
        "The miniature knows what every one of its pictures shows and what is wrong with every record, so each stage "
        "of a run can be scored against the truth. This page, `truth.json` and the charts are made by `python -m "
        f"miniature.truth` after `dvc repro`. Models: {models}.",
        *section_data.captions(figures["captions"]),
        *rules_section(figures["clip_rule"], rule_pictures),
        *section_data.duplicates(figures["duplicates"]),
        *section_data.cleaning(figures["cleaning"]),
        *probes_section(figures["probes"], probe_pictures),
    ]
    return "\n\n".join(parts) + "\n"


def _picture(name: str, what: str) -> str:
    return f"![{what}](images/truth-{name}.png)"


if __name__ == "__main__":
    cli.run(main, doc=__doc__)
