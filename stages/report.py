"""Stage ``report``: one page and one Markdown file that say what came out.

Reads     data/evaluate/{statistics.json,agreement.json,prompts.csv,report.json}
          data/*/report.json, data/scrape/*/report.json    the funnel of the data
          data/train/log                                   the losses
          data/sample/grids.png and the other pictures named below
          quality.json in the local model folders that params.yaml names
          docs/studies                                     what sur study left of several trainings
Writes    data/report/report.html                          everything within one file, no script
          data/report/report.md
          data/report/plots/{differences,funnel,losses}.png
          data/report/report.json
Params    blip, clip, llm, diffusion: model and revision; llm.layer; adapter: kind, compat and eta; loss weights
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from pipeline import cli, params, samples
from pipeline.files import atomic_folder, write_text
from pipeline.report import charts, missing, paper, render, study_pages
from pipeline.report.collect import Findings, collect
from pipeline.report.render import Picture
from pipeline.report.study_pages import Studies

DATA = Path("data")
TARGET = Path("data/report")
NO_STUDIES = Studies()
PICTURES = (
    Picture(
        DATA / "sample/grids.png",
        "Base beside adapted, the same first noise; the text each was given stands below",
        wide=True,
    ),
    Picture(DATA / "resize/sheet.png", "The dataset: pictures with both prompts", wide=True),
    Picture(DATA / "describe/lengths_complex.png", "Lengths of the dataset's complex prompts (the paper's Fig. 4 a)"),
    Picture(DATA / "describe/lengths_simple.png", "Lengths of its simple prompts (Fig. 4 b)"),
    Picture(DATA / "describe/nouns.png", "The most frequent nouns of its prompts (Fig. 4 c)"),
    Picture(DATA / "describe/cloud.png", "Their words, large as they are frequent (Fig. 4 d)"),
    Picture(DATA / "caption/sheet.png", "Captions by BLIP", wide=True),
    Picture(DATA / "clip_filter/scores.png", "CLIP scores of both prompts and the rule's line"),
    Picture(DATA / "train/samples.png", "Validation prompts after training, base beside adapted", wide=True),
)


class Named(BaseModel):
    """A model's name and revision, whatever else its section holds."""

    model: str
    revision: str


class Layer(BaseModel):
    """The LLM's layer."""

    layer: int


class Dial(BaseModel):
    """The adapter's kind, whose weights it has, and its strength."""

    kind: str
    compat: str
    eta: float


class Weights(BaseModel):
    """Weights of the two terms that the ablation takes away."""

    llm_weight: float
    alignment_weight: float


@dataclass(frozen=True)
class Setting:
    """What the report says of the run: models by role (captions, CLIP, LLM, diffusion), adapter, terms of the loss."""

    models: Sequence[tuple[str, str, str]]
    run: paper.Run
    title: str


def main() -> None:
    """Write the report on the last evaluation."""
    blip, clip = params.load(Named, "blip"), params.load(Named, "clip")
    llm, diffusion = params.load(Named, "llm"), params.load(Named, "diffusion")
    layer, dial = params.load(Layer, "llm").layer, params.load(Dial, "adapter")
    weights = params.load(Weights, "loss")
    roles = {"captions (BLIP)": blip, "filter and score (CLIP)": clip, "LLM": llm, "diffusion": diffusion}
    setting = Setting(
        models=[(role, named.model, named.revision) for role, named in roles.items()],
        run=paper.Run(
            diffusion=diffusion.model,
            llm=llm.model,
            layer=layer,
            kind=dial.kind,
            llm_loss=weights.llm_weight > 0,
            complex_prompt_loss=weights.alignment_weight > 0,
            compat=dial.compat,
        ),
        title=_title(dial, diffusion.model, f"layer {layer} of {llm.model}"),
    )
    report(DATA, TARGET, setting, pictures=PICTURES, studies=study_pages.read(study_pages.FOLDER, diffusion.model))


def _title(dial: Dial, model: str, language: str) -> str:
    """The LLM of the authors' weights is not known."""
    if dial.compat == "official":
        return f"Adapter {dial.kind}, the authors' weights, eta {dial.eta:g}: {model}"
    return f"Adapter {dial.kind}, eta {dial.eta:g}: {model} with {language}"


def report(
    data: Path, target: Path, setting: Setting, *, pictures: Sequence[Picture], studies: Studies = NO_STUDIES
) -> None:
    """Write page, Markdown and charts.

    Args:
        data: folder with the stages' folders.
        target: where the report goes.
        setting: what was run.
        pictures: what other stages drew; those that are not there are left out and named in report.json.
        studies: several trainings side by side.

    Raises:
        InputError: the evaluation is missing or damaged.
    """
    findings = collect(data, setting.models)
    gaps = missing.gaps(findings, studies, setting.run.diffusion)
    shown = [picture for picture in pictures if picture.path.is_file()]
    drawn = _draw(findings, target / "plots")
    printed = paper.figures(setting.run)
    found = render.content(findings, gaps, drawn, shown, printed=printed, title=setting.title, studies=studies.shown)
    write_text(target / "report.html", render.as_page(found))
    write_text(target / "report.md", render.as_markdown(found, target))
    absent = [picture.path.as_posix() for picture in pictures if picture not in shown]
    samples.write_report(
        target / "report.json",
        len(findings.reports),
        len(found.results) + 3,
        headline=found.headline,
        pictures_missing=absent,
        studies=sorted(studies.names),
        studies_passed_over=dict(studies.passed_over),
        not_in_this_run=[gap.what for gap in gaps],
    )
    cli.say(f"report: {found.headline} See {target / 'report.html'}")


def _draw(findings: Findings, folder: Path) -> list[Picture]:
    drawn = [
        Picture(folder / "differences.png", "What the adapter changes, skill by skill"),
        Picture(folder / "losses.png", "Losses of the training"),
        Picture(folder / "funnel.png", "From scrape to dataset"),
    ]
    with atomic_folder(folder) as temporary:
        charts.differences(findings, temporary / "differences.png")
        charts.losses(findings.curves, temporary / "losses.png")
        charts.funnel(findings.funnel, temporary / "funnel.png")
    return drawn


if __name__ == "__main__":
    cli.run(main, doc=__doc__)
