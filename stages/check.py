"""Stage ``check``: refuse wrong settings and models before anything runs or is deleted.

Reads     params.yaml, prompt files, the model folders that it names
Writes    data/check/ran.json      always the same bytes, so that nothing runs again because of it
          data/check/report.json   faults and notes of the last check
Params    all of params.yaml

Both files are written even when the settings are refused: DVC deletes them before it runs the stage, and a refused
experiment shall not cost any output. What stops the other stages is the exit code.
"""

import os
from pathlib import Path

from pipeline import checking, cli, files, samples
from pipeline.errors import SettingError
from pipeline.params import PARAMS

RAN = Path("data/check/ran.json")
REPORT = Path("data/check/report.json")


def main() -> None:
    """Check the settings in force."""
    check(PARAMS, RAN, REPORT)


def check(params: Path, ran: Path, report: Path) -> None:
    """Examine all settings, and write what was found.

    Raises:
        SettingError: one line for every fault, with the way back.
    """
    files.write_json(ran, {"check": "ran"})
    try:
        notes = checking.examine(params)
    except SettingError as error:
        samples.write_report(report, 1, 0, faults=str(error).splitlines(), notes=[])
        raise SettingError(f"{error}{_way_back()}") from error
    samples.write_report(report, 1, 1, faults=[], notes=notes)
    for note in notes:
        cli.say(f"check: {note}")
    cli.say("check: every setting is good")


def _way_back() -> str:
    """``dvc exp run -S`` leaves its edit in params.yaml when the experiment is refused (DVC sets the variable)."""
    edited = "DVC_EXP_BASELINE_REV" in os.environ
    return "; the experiment left this in params.yaml: git checkout params.yaml restores it" if edited else ""


if __name__ == "__main__":
    cli.run(main, doc=__doc__)
