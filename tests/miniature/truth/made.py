"""A small data folder as the stages leave it, over real posts of the miniature's sites; made-up figures for pages."""

from miniature import site_answers
from miniature.language import caption, plain_sentence
from miniature.site_posts import posts
from miniature.truth.encoders import TEXT
from pipeline import tables
from pipeline.downloading import FAILURES
from pipeline.samples import CAPTIONS, SAMPLES, SCORES
from pipeline.sources.record import RECORDS
from tests.pipeline.made_records import record

SITES = ("lexica", "civitai", "stable_diffusion_online")
WRONG = "a grey thing"


def of(fault, count):
    """The first posts of Lexica with a fault."""
    return [post for post in posts() if post.site == "lexica" and post.fault == fault][:count]


def sample(post, number):
    return {
        "sample_id": post.sample_id,
        "source": post.site,
        "licence": "CC0-1.0",
        "page_url": "https://example.org",
        "split": "train" if number % 3 else "val",
        "image_sha256": f"{number:064x}",
        "part": "part-00000.parquet",
        "complex_prompt": post.prompt,
    }


def scored(row, post, number, margin=0.0):
    """Swapped prompts score low, wrong captions lower than right ones."""
    right = row["simple_prompt"] != WRONG
    simple, complex_ = (95.0 if right else 60.0) + 0.1 * number, 5.0 if post.fault else 90.0 + 0.1 * number
    kept = simple - complex_ >= margin
    scores = {"score_simple": simple, "score_complex": complex_, "simple_truncated": False, "complex_truncated": False}
    return {**row, **scores, "kept": kept, "drop_reason": None if kept else "simple_scores_lower"}


def write(data, *, margin=0.0, address="{}"):
    """Eight good posts, four of them with a wrong caption, three swapped ones, and one of several faults."""
    kept = [*of(None, 8), *of("wrong_prompt", 3)]
    lost = {"tiny": "too_small", "missing": "not_found", "no_prompt": "no_prompt"}
    faulty = {fault: of(fault, 1)[0] for fault in lost}
    met = [*kept, faulty["tiny"], faulty["missing"]]
    for site in SITES:
        rows = [
            record(post.source_id, image_url=address.format(site_answers.image_url(post)))
            for post in met
            if post.site == site
        ]
        dropped = [_drop(faulty["no_prompt"], "no_prompt")] if site == "lexica" else []
        tables.write(tables.from_rows(rows, RECORDS), data / "scrape" / site / "records.parquet", RECORDS)
        _write(dropped, data / "scrape" / site / "dropped.parquet", tables.DROPPED)
    failure = {"sample_id": faulty["missing"].sample_id, "url": "u", "host": "h", "reason": "not_found", "attempts": 1}
    _write([failure], data / "download" / "failures.parquet", FAILURES)
    _write([_drop(faulty["tiny"], "too_small")], data / "clean" / "dropped.parquet", tables.DROPPED)
    samples = [sample(post, number) for number, post in enumerate(kept)]
    said = [
        {**row, "simple_prompt": WRONG if number < 4 else (caption if number % 2 else plain_sentence)(post.scene)}
        for number, (row, post) in enumerate(zip(samples, kept, strict=True))
    ]
    judged = [scored(row, post, number, margin) for number, (row, post) in enumerate(zip(said, kept, strict=True))]
    _write(samples, data / "clean" / "samples.parquet", SAMPLES)
    _write(said, data / "caption" / "captions.parquet", CAPTIONS)
    _write(judged, data / "clip_filter" / "scores.parquet", SCORES)
    return data


def _drop(post, reason):
    return {"sample_id": post.sample_id, "drop_reason": reason}


def _write(rows, path, shape):
    tables.write(tables.from_rows(rows, shape), path, shape)


def probes(*, text=0.2, layer_2=0.9, transfer=0.2, unclear=0.5):
    """Accuracies of two layers and the text encoder, as ``__main__.probe_figures`` gives them."""

    def line(share, ground):
        return {
            field: {"seen": share if field != "ground" else ground, "unseen": share if field != "ground" else ground}
            for field in ("count", "colour", "ground", "action")
        }

    return {
        "layer": 2,
        "sentences": {
            "training": 100,
            "held_out": 200,
            "by_field": {"count": 100, "colour": 100, "ground": 100, "action": 30},
        },
        "chance": dict.fromkeys(("count", "colour", "ground", "action"), 0.2),
        "mixed": {"1": line(0.5, 0.95), "2": line(layer_2, unclear), TEXT: line(text, 0.5)},
        "seen": {"1": line(0.3, 0.2), "2": line(transfer, 0.2), TEXT: line(0.2, 0.2)},
    }
