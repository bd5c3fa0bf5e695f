"""Figures that benches left in bench/results, by the bench's name and the figure's."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.results import FOLDER
from bench.scale.assumptions import SHARE_REACHED, Card


class MissingError(Exception):
    """A figure that the page cannot do without has not been measured or counted."""


@dataclass(frozen=True)
class Rates:
    """What is in one folder of results."""

    folder: Path = FOLDER

    def bench(self, name: str) -> dict[str, float]:
        """All figures of one bench; none where it has not run."""
        return dict(self._read(name).get("figures", {}))

    def names(self) -> list[str]:
        """The benches that have run."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def __call__(self, bench: str, figure: str) -> float:
        """One figure.

        Raises:
            MissingError: it is not there; the line says what to run.
        """
        try:
            return self.bench(bench)[figure]
        except KeyError as error:
            raise MissingError(f"{self.folder / bench}.json lacks {figure}: run python -m bench.{bench}") from error

    def get(self, bench: str, figure: str) -> float | None:
        """One figure; None where it was not measured."""
        return self.bench(bench).get(figure)

    def share(self, model: str, card: Card) -> float:
        """The share of a card's peak that a model reached there, else the assumption."""
        return self.measured_share(model, card) or SHARE_REACHED

    def measured_share(self, model: str, card: Card) -> float | None:
        """As bench.real_shapes measured it; None where it has not run on this card."""
        device = str(self.machine("real_shapes").get("gpu", ""))
        if not any(part in device for part in card.devices):
            return None
        return self.get("real_shapes", f"{model}_share_of_peak")

    def machine(self, name: str) -> dict[str, Any]:
        """What a bench ran on."""
        return dict(self._read(name).get("machine", {}))

    def _read(self, name: str) -> dict[str, Any]:
        path = self.folder / f"{name}.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
