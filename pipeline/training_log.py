"""The training's figures as DVCLive files, so that ``dvc plots`` and ``dvc exp show`` have them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.training import Report
from pipeline.training_checkpoints import Figures


@contextmanager
def live_log(folder: Path) -> Iterator[Report]:
    """Give a function that notes the figures of a step; the folder is begun anew.

    Each figure is a table of step and value (``plots/metrics/train/total.tsv``) without a clock time: a run that was
    resumed, and told its past again, leaves the same bytes as one that was not.
    """
    from dvclive import Live

    with Live(str(folder), dvcyaml=None, report=None, save_dvc_exp=False, monitor_system=False) as live:

        def report(step: int, figures: Figures) -> None:
            live.step = step
            for name, value in sorted(figures.items()):
                live.log_metric(name, value)

        yield report
