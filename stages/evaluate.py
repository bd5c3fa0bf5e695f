"""Stage ``evaluate``: how the adapted arm does beside the base arm, with paired statistics over prompts.

Reads     data/sample/parts/                 generated.GENERATED
          data/sample/manifest.parquet       generated.MANIFEST
          the prompt files of sample.prompts
          reviews/semantic/*.jsonl           people's verdicts on images
          reviews/preference/*.jsonl         which image of a pair people prefer
Writes    data/evaluate/scores.parquet       metrics.clip_based.SCORES
          data/evaluate/verdicts.parquet     metrics.judging.VERDICTS
          data/evaluate/prompts.csv          one line a prompt: share of right images in each arm, of each method
          data/evaluate/statistics.json      by metric and prompt type: arms, difference, interval, p; equivalence
          data/evaluate/metrics.json         the few of them by which experiments are compared
          data/evaluate/agreement.json       how well people agree on these images, by task and reviewer
          data/evaluate/report.json          counts, and what was not computed and why
Params    evaluate, sample.prompts
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline import cli, params, samples, tables
from pipeline.engine import ComputeParams, device
from pipeline.errors import EmptyResultError, InputError
from pipeline.files import write_json, write_text
from pipeline.metrics import evaluation, evidence, gauges, judges, judging, pictures, prompt_shares
from pipeline.metrics.clip_based import SCORES
from pipeline.metrics.evidence import Evidence
from pipeline.metrics.gauges import Gauge
from pipeline.metrics.judging import Judge
from pipeline.metrics.measuring import measure
from pipeline.metrics.pictures import Picture
from pipeline.metrics.settings import EvaluateParams
from pipeline.prompts import Prompt, PromptFiles
from pipeline.prompts import read as read_prompts
from pipeline.review import agreement
from pipeline.tables import KEY

SAMPLED = Path("data/sample")
REVIEWS = Path("reviews")
TARGET = Path("data/evaluate")


def main() -> None:
    """Score and judge the images of the last sampling."""
    compute, config = params.load(ComputeParams, "compute"), params.load(EvaluateParams, "evaluate")
    where = device(compute)
    evaluate(
        SAMPLED,
        REVIEWS,
        TARGET,
        config,
        prompts=read_prompts(params.load(PromptFiles, "sample").prompts),
        gauges=[gauges.gauge(metric, where) for metric in config.metrics],
        judges=[judges.build(judge, where) for judge in config.judges],
    )


def evaluate(
    sampled: Path,
    reviews: Path,
    target: Path,
    config: EvaluateParams,
    *,
    prompts: Sequence[Prompt],
    gauges: Sequence[Gauge],
    judges: Sequence[Judge],
) -> None:
    """Measure every image once and compare the arms.

    A metric that lacks weights or verdicts is told under ``not_computed`` and is absent from the figures, never 0.

    Args:
        sampled: ``data/sample``.
        reviews: folder with ``semantic`` and ``preference``.
        target: the stage's folder.
        config: decides the figures.
        prompts: of the prompt files.
        gauges: metrics that read pictures.
        judges: automatic judges; each statement has the word of the first that can answer it.

    Raises:
        InputError: an image's prompt is not in the prompt files, or a line of the reviews is broken.
        EmptyResultError: there is no image.
    """
    shown, known = pictures.read(sampled / "manifest.parquet"), {prompt.id: prompt for prompt in prompts}
    if not shown:
        raise EmptyResultError("no image to evaluate: data/sample has none, see sample.prompts")
    _require_prompts(shown, known)
    people = evidence.read_people(reviews, shown)
    measured = measure(sampled / "parts", shown, known, gauges, judges)
    found = Evidence(shown, measured, people, [judge.name for judge in judges], known)
    missing = _write(found, target, config)
    write_json(target / "agreement.json", agreement.of_generated(reviews, pictures.digests(shown)))
    _report(found, target, config, missing)
    cli.say(f"evaluate: {len(shown):,} images of {len({picture.prompt_id for picture in shown}):,} prompts")


def _require_prompts(shown: Sequence[Picture], known: Mapping[str, Prompt]) -> None:
    unknown = sorted({picture.prompt_id for picture in shown} - known.keys())
    if unknown:
        raise InputError(f"{len(unknown)} sampled prompts are not in the files of sample.prompts, first {unknown[0]}")


def _write(found: Evidence, target: Path, config: EvaluateParams) -> dict[str, str]:
    """Write tables and figures; gives metric -> reason for what could not be computed."""
    figures, missing = evaluation.figures(found, config)
    verdicts = sorted(
        [*found.measured.verdicts, *found.people.rows], key=lambda row: (row[KEY], row["judge"], row["atom"])
    )
    tables.write(evaluation.score_table(found), target / "scores.parquet", SCORES)
    tables.write(tables.from_rows(verdicts, judging.VERDICTS), target / "verdicts.parquet", judging.VERDICTS)
    write_text(target / "prompts.csv", prompt_shares.as_csv(found))
    write_json(target / "statistics.json", figures)
    write_json(target / "metrics.json", evaluation.headline(figures))
    return missing


def _report(found: Evidence, target: Path, config: EvaluateParams, missing: Mapping[str, str]) -> None:
    samples.write_report(
        target / "report.json",
        len(found.pictures),
        len(found.pictures),
        judge=found.judge,
        quality_judge=found.measured.rater,
        confidence=config.confidence,
        equivalence_margin_sd=config.equivalence_margin_sd,
        verdicts={
            "by_judge": len(found.measured.verdicts),
            "by_people": len(found.people.rows),
            **found.people.passed_over,
        },
        not_computed=[{"metric": name, "reason": reason} for name, reason in sorted(missing.items())],
    )


if __name__ == "__main__":
    cli.run(main, doc=__doc__)
