"""Stage ``evaluate``: how the adapted arm does beside the base arm, with paired statistics over prompts.

Reads     data/sample/parts/                 generated.GENERATED
          data/sample/manifest.parquet       generated.MANIFEST
          the prompt files of sample.prompts
          reviews/semantic/*.jsonl           people's verdicts on images
          reviews/preference/*.jsonl         which image of a pair people prefer
Writes    data/evaluate/scores.parquet       metrics.clip_based.SCORES
          data/evaluate/verdicts.parquet     metrics.judging.VERDICTS
          data/evaluate/prompts.csv          one line a prompt: share of right images in each arm
          data/evaluate/statistics.json      by metric and prompt type: arms, difference, interval, p; equivalence
          data/evaluate/metrics.json         the few of them by which experiments are compared
          data/evaluate/report.json          counts, and what was not computed and why
Params    evaluate, clip without its rule, sample.prompts
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline import cli, params, samples, tables
from pipeline.clip_rule import ClipParams
from pipeline.clip_score import Clip
from pipeline.engine import ComputeParams, device
from pipeline.errors import InputError, ModelError
from pipeline.files import write_json, write_text
from pipeline.generated import MANIFEST
from pipeline.metrics import evaluation, judging
from pipeline.metrics.clip_based import SCORES, VERSION, Scorer
from pipeline.metrics.comparison import EvaluateParams, Picture, by_prompt
from pipeline.metrics.evaluation import Evidence
from pipeline.metrics.judging import Judge
from pipeline.metrics.measuring import measure
from pipeline.prompts import Prompt, PromptFiles
from pipeline.prompts import read as read_prompts
from pipeline.tables import KEY

SAMPLED = Path("data/sample")
REVIEWS = Path("reviews")
TARGET = Path("data/evaluate")


def main() -> None:
    """Score and judge the images of the last sampling."""
    clip, compute = params.load(ClipParams, "clip"), params.load(ComputeParams, "compute")
    config = params.load(EvaluateParams, "evaluate")

    def build_scorer() -> Scorer:
        return Clip(clip, device(compute))

    evaluate(
        SAMPLED,
        REVIEWS,
        TARGET,
        config,
        prompts=read_prompts(params.load(PromptFiles, "sample").prompts),
        judge=judging.load(config.judge) if config.judge else None,
        build_scorer=build_scorer,
        version=f"{VERSION}, {clip.model} {clip.revision}",
    )


def evaluate(
    sampled: Path,
    reviews: Path,
    target: Path,
    config: EvaluateParams,
    *,
    prompts: Sequence[Prompt],
    judge: Judge | None,
    build_scorer: Callable[[], Scorer],
    version: str,
) -> None:
    """Measure every image once and compare the arms.

    A metric that lacks weights or verdicts is told under ``not_computed`` and is absent from the figures, never 0.

    Raises:
        InputError: an image's prompt is not in the prompt files, or a line of the reviews is broken.
        EmptyResultError: there is no image.
    """
    manifest = tables.read(sampled / "manifest.parquet", MANIFEST)
    samples.require_rows(manifest, "no image to evaluate: data/sample has none, see sample.prompts")
    pictures, known = _pictures(manifest), {prompt.id: prompt for prompt in prompts}
    _require_prompts(pictures, known)
    scorer, missing = _scorer(build_scorer)
    digests = dict(zip(manifest.column(KEY).to_pylist(), manifest.column("sha256").to_pylist(), strict=True))
    people = evaluation.read_people(reviews, digests)
    evidence = Evidence(pictures, measure(sampled / "parts", known, scorer, judge), people)
    missing |= _write(evidence, target, config, known, version)
    _report(evidence, target, config, missing)
    cli.say(f"evaluate: {len(pictures):,} images of {len({picture.prompt_id for picture in pictures}):,} prompts")


def _pictures(manifest: pa.Table) -> list[Picture]:
    columns = [KEY, "arm", "prompt_id", "type", "index"]
    return [Picture(**row) for row in manifest.select(columns).to_pylist()]


def _require_prompts(pictures: Sequence[Picture], known: Mapping[str, Prompt]) -> None:
    unknown = sorted({picture.prompt_id for picture in pictures} - known.keys())
    if unknown:
        raise InputError(f"{len(unknown)} sampled prompts are not in the files of sample.prompts, first {unknown[0]}")


def _scorer(build: Callable[[], Scorer]) -> tuple[Scorer | None, dict[str, str]]:
    """The CLIP scorer, or why the CLIP metrics cannot be computed."""
    try:
        return build(), {}
    except ModelError as error:
        return None, {"clip_score": str(error), "clip_cosine": str(error)}


def _write(
    evidence: Evidence, target: Path, config: EvaluateParams, known: Mapping[str, Prompt], version: str
) -> dict[str, str]:
    """Write tables and figures; gives metric -> reason for what could not be computed."""
    figures, missing = evaluation.figures(evidence, config)
    verdicts = sorted(
        [*evidence.measured.verdicts, *evidence.people.rows], key=lambda row: (row[KEY], row["judge"], row["atom"])
    )
    tables.write(evaluation.score_table(evidence, version), target / "scores.parquet", SCORES)
    tables.write(tables.from_rows(verdicts, judging.VERDICTS), target / "verdicts.parquet", judging.VERDICTS)
    write_text(target / "prompts.csv", _prompt_lines(evidence, known))
    write_json(target / "statistics.json", figures)
    write_json(target / "metrics.json", evaluation.headline(figures))
    return missing


def _prompt_lines(evidence: Evidence, known: Mapping[str, Prompt]) -> str:
    arms = sorted({picture.arm for picture in evidence.pictures})
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ["prompt_id", "type", "source", "text", *arms], lineterminator="\n")
    writer.writeheader()
    for prompt_id, means in by_prompt(evidence.right(), evidence.pictures).items():
        prompt = known[prompt_id]
        row = {"prompt_id": prompt_id, "type": prompt.type, "source": prompt.source, "text": prompt.text}
        writer.writerow({**row, **{arm: f"{mean:.4f}" for arm, mean in means.items()}})
    return stream.getvalue()


def _report(evidence: Evidence, target: Path, config: EvaluateParams, missing: Mapping[str, str]) -> None:
    samples.write_report(
        target / "report.json",
        len(evidence.pictures),
        len(evidence.pictures),
        judge=config.judge or "people",
        confidence=config.confidence,
        equivalence_margin_sd=config.equivalence_margin_sd,
        verdicts={
            "by_judge": len(evidence.measured.verdicts),
            "by_people": len(evidence.people.rows),
            **evidence.people.passed_over,
        },
        not_computed=[{"metric": name, "reason": reason} for name, reason in sorted(missing.items())],
    )


if __name__ == "__main__":
    cli.run(main, doc=__doc__)
