"""Count the FLOP of the real models into bench/results/flops.json and write docs/scale.md.

python -m bench.scale [page]     with ``page`` nothing is counted anew
"""

import sys

from bench import results
from bench.scale.counting import all_figures
from bench.scale.page import PAGE, render
from bench.scale.rates import MissingError, Rates
from pipeline.files import write_text


def main(arguments: list[str]) -> None:
    """Count, unless only the page is asked for, and write."""
    if arguments != ["page"]:
        figures = all_figures()
        for name, value in figures.items():
            print(f"{name:24}{value / 1e12:10.4f} TFLOP")
        results.save("flops", figures)
    try:
        write_text(PAGE, render(Rates()))
    except MissingError as error:
        raise SystemExit(f"error: {error}") from error
    print(f"written to {PAGE}")


if __name__ == "__main__":
    main(sys.argv[1:])
