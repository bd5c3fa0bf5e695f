"""One study from its name to its page: define, run what is missing, collect, lay out."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline import cli, files
from pipeline.errors import InputError
from pipeline.metrics.settings import EvaluateParams
from pipeline.params import PARAMS, load_all
from pipeline.report import paper
from pipeline.report.study_pages import FOLDER, LOSSES
from pipeline.settings import Settings
from pipeline.studies import charts, choice_page, commands, definitions, from_file, loss_chart, rendering, state
from pipeline.studies.collecting import Open, Outcome, collect, open_experiment
from pipeline.studies.commands import Run
from pipeline.studies.definitions import Row, Study
from pipeline.studies.figures import contrast
from pipeline.studies.queueing import Experiment, Pause, complete
from pipeline.studies.sentences import Findings
from pipeline.studies.tasks import Queue


def study(
    name: str,
    target: Path = FOLDER,
    *,
    prompts_per_type: int | None = None,
    jobs: int = 1,
    again: bool = False,
    run: Run = commands.run,
    open_: Open = open_experiment,
    pause: Pause = time.sleep,
) -> None:
    """Run the rows that have no result yet and write ``<name>.md``, ``.json``, ``.png`` and ``-losses.png``.

    Args:
        name: one of ``definitions.STUDIES``, or the path of a file that describes a study.
        target: folder of the page.
        prompts_per_type: evaluation prompts of each skill, see :func:`definitions.define`.
        jobs: experiments at a time.
        again: forget finished rows and run them too.
        run: what runs a command.
        open_: gives the files of an experiment.
        pause: waits so many seconds.

    Raises:
        SurError: the settings or the workspace do not allow it; or rows failed, one line each, after the page of all
            others is written.
    """
    settings = load_all(Settings, PARAMS)
    chosen = _chosen(name, settings, prompts_per_type)
    changed = {row.key: from_file.changed(settings, row.overrides, row.label) for row in chosen.rows}
    for made in changed.values():
        state.require_visible_models(made, run)
    names = named(chosen, state.fingerprint(settings, run))
    rows = [Experiment(names[row.key], row.overrides, chosen.until) for row in chosen.rows]
    failed = complete(rows, Queue(run), jobs=jobs, again=again, pause=pause)
    there = [row for row in chosen.rows if names[row.key] not in failed]
    runs = {key: paper.Run.of(made.model_dump()) for key, made in changed.items()}
    read = [
        collect(row, names[row.key], open_, runs[row.key], methods=changed[row.key].sample.methods, until=chosen.until)
        for row in there
    ]
    outcomes = [outcome for found in read for outcome in found]
    if outcomes:
        _write(
            _findings(chosen, outcomes, {row.label: failed.get(names[row.key]) for row in chosen.rows}, settings),
            target,
        )
    if failed:
        raise InputError("\n".join(f"{row}: {why} (its log: dvc queue logs {row})" for row, why in failed.items()))


def _chosen(name: str, settings: Settings, prompts_per_type: int | None) -> Study:
    if from_file.is_file(name):
        return from_file.read(Path(name), settings, prompts_per_type=prompts_per_type)
    return definitions.define(name, settings, prompts_per_type=prompts_per_type)


def named(chosen: Study, fingerprint: str) -> dict[str, str]:
    """Row's key -> experiment's name, which holds a digest of all that decides the row's result."""
    return {row.key: f"{chosen.name}-{row.key}-{_digest(row, fingerprint)}" for row in chosen.rows}


def _digest(row: Row, fingerprint: str) -> str:
    return files.digest({"shared": fingerprint, "overrides": dict(row.overrides)})[:8]


def _findings(
    chosen: Study, outcomes: Sequence[Outcome], failed: Mapping[str, str | None], settings: Settings
) -> Findings:
    config: EvaluateParams = settings.evaluate
    there = {outcome.row.key: outcome for outcome in reversed(outcomes)}  # of several methods the first, plain
    pairs = [pair for pair in chosen.contrasts if pair.present in there and pair.absent in there]
    return Findings(
        study=chosen,
        outcomes=outcomes,
        failed={label: why for label, why in failed.items() if why is not None},
        contrasts=[(pair, contrast(there[pair.present], there[pair.absent], config)) for pair in pairs],
        confidence=config.confidence,
        in_force=definitions.in_force(settings),
    )


def _write(found: Findings, target: Path) -> None:
    name, is_drawn = found.study.name, found.study.until is None
    path, losses = target / f"{name}.png", target / f"{name}{LOSSES}"
    if is_drawn:
        content = rendering.as_json(found)
        chart = charts.draw(found.outcomes, path, confidence=found.confidence)
    else:
        content, chart = choice_page.as_json(found), choice_page.draw(found, path)
    drawn = {path.name: chart, losses.name: loss_chart.draw(content["rows"], losses)}
    linked = [file for file, is_there in drawn.items() if is_there]
    text = rendering.as_markdown(content, linked) if is_drawn else choice_page.as_markdown(found, content, linked)
    files.write_json(target / f"{name}.json", content)
    files.write_text(target / f"{name}.md", text)
    for sentence in content["sentences"]:
        cli.say(sentence)
    cli.say(f"{name}: see {target / name}.md")
