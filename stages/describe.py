"""Stage ``describe``: what the data set's prompts are like, as in the paper's Fig. 4.

Reads     data/resize/parts                      samples.SURD, prompts only
Writes    data/describe/lengths_complex.png      Fig. 4 (a): lengths of complex prompts in words, cut at 300
          data/describe/lengths_simple.png       Fig. 4 (b): lengths of simple prompts
          data/describe/nouns.png                Fig. 4 (c): the most frequent nouns
          data/describe/cloud.png                Fig. 4 (d): word cloud without stop words
          data/describe/lengths.csv              prompts by length
          data/describe/report.json
Params    none
"""

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipeline import cli, describing, samples, tables
from pipeline.files import write_bytes, write_text
from pipeline.plots import BLUE, GREEN, ORANGE, figure
from pipeline.tables import column

SURD_PARTS = Path("data/resize/parts")
TARGET = Path("data/describe")

PROMPTS = tables.schema(column("simple_prompt", pa.string(), ""), column("complex_prompt", pa.string(), ""))
NOUNS_SHOWN = 24


def main() -> None:
    """Describe the data set."""
    describe(SURD_PARTS, TARGET)


def describe(source: Path, target: Path) -> None:
    """Write the four parts of Fig. 4 and the numbers behind them."""
    rows = tables.read_shards(source, PROMPTS)
    simple, complex_ = (rows.column(name).to_pylist() for name in PROMPTS.names)
    counts = {"simple": _lengths(simple), "complex": _lengths(complex_)}
    _histogram(counts["complex"], "complex", ORANGE, target / "lengths_complex.png")
    _histogram(counts["simple"], "simple", BLUE, target / "lengths_simple.png")
    write_text(target / "lengths.csv", _as_csv(counts))
    nouns = describing.nouns([*simple, *complex_])
    _bars(describing.shares(nouns, NOUNS_SHOWN), target / "nouns.png")
    stream = io.BytesIO()
    describing.word_cloud([*simple, *complex_]).save(stream, "PNG")
    write_bytes(target / "cloud.png", stream.getvalue())
    samples.write_report(
        target / "report.json",
        rows.num_rows,
        rows.num_rows,
        words_simple=describing.length_summary(simple),
        words_complex=describing.length_summary(complex_),
        distinct_nouns=len(nouns),
        nouns={word: round(share, 4) for word, share in describing.shares(nouns, NOUNS_SHOWN)},
    )
    cli.say(f"describe: {rows.num_rows:,} pairs, {len(nouns):,} nouns, see {target}")


def _lengths(prompts: Sequence[str]) -> Counter[int]:
    return Counter(describing.length(prompt) for prompt in prompts)


def _histogram(counts: Counter[int], kind: str, colour: str, path: Path) -> None:
    with figure(path, 5.2, 3.4) as axes:
        axes.bar(list(counts), list(counts.values()), width=1.0, color=colour)
        axes.set(xlabel=f"words (more than {describing.LONGEST} count as {describing.LONGEST})", ylabel="prompts")
        axes.set_title(f"Length of {kind} prompts")
        axes.locator_params(integer=True)


def _bars(shares: Sequence[tuple[str, float]], path: Path) -> None:
    with figure(path, 5.2, 5.2) as axes:
        words = [word for word, _ in reversed(shares)]
        axes.barh(words, [100 * share for _, share in reversed(shares)], color=GREEN)
        axes.set(xlabel="share of all nouns, %")
        axes.set_title(f"The {len(shares)} most frequent nouns")


def _as_csv(counts: dict[str, Counter[int]]) -> str:
    lengths = sorted({length for found in counts.values() for length in found})
    rows = [f"{length},{counts['simple'][length]},{counts['complex'][length]}" for length in lengths]
    return "\n".join(["words,simple_prompts,complex_prompts", *rows]) + "\n"


if __name__ == "__main__":
    cli.run(main, doc=__doc__)
