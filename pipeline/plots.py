"""Charts as PNG files: one plain style, and the same bytes every time for the same data."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, RED, GREY = "#2f6690", "#d1762a", "#4f8a5b", "#b2473e", "#8a8f98"
PIXELS_PER_INCH = 120
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same letters on every machine
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e8eb",
    "legend.frameon": False,
}


@contextmanager
def figure(path: Path, width_in: float = 6.4, height_in: float = 4.0) -> Iterator["Axes"]:
    """Give axes to draw on; the chart is saved as PNG, whole or not at all, when the block ends without an error.

    No window, no global figure, no software version in the file.

    Args:
        path: the PNG file.
        width_in: width in inches, 120 pixels each.
        height_in: height in inches.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        canvas = FigureCanvasAgg(Figure(figsize=(width_in, height_in), layout="constrained"))
        yield canvas.figure.add_subplot()
        with atomic_file(path) as temporary:
            canvas.figure.savefig(temporary, format="png", dpi=PIXELS_PER_INCH, metadata={"Software": None})
