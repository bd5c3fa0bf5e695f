"""What the data set's prompts are like: the numbers behind the paper's Fig. 4 (arXiv 2305.05189, section 3.2)."""

import random
import statistics
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from PIL import Image

LONGEST = 300  # "prompts longer than 300 words have been incorporated into 300 words"
CLOUD_PX = (1200, 600)
CLOUD_COLOURS = ("#2f6690", "#a8443b", "#3f7a4b", "#1d2430", "#75508a")


def length(prompt: str) -> int:
    """A prompt's length in words, at most 300 as in Fig. 4 (a) and (b)."""
    return min(len(prompt.split()), LONGEST)


def length_summary(prompts: Sequence[str]) -> dict[str, float | int]:
    """Mean, median and greatest of the lengths in words (not cut at 300), and how many are longer than 300."""
    lengths = sorted(len(prompt.split()) for prompt in prompts)
    return {
        "mean": round(sum(lengths) / len(lengths), 2),
        "median": statistics.median(lengths),
        "greatest": lengths[-1],
        "longer_than_300": sum(value > LONGEST for value in lengths),
    }


def nouns(prompts: Iterable[str]) -> Counter[str]:
    """How often each noun stands in the prompts, plurals counted with their singular (Fig. 4 c).

    The tagger is TextBlob's PatternTagger, whose lexicon comes with its package: no corpus is downloaded.
    """
    tag, singular = _tagger()
    found: Counter[str] = Counter()
    for prompt in prompts:
        for word, kind in tag(prompt.lower()):
            if kind in ("NN", "NNS") and word.isalpha():
                found[singular(word) if kind == "NNS" else word] += 1
    return found


def tagged(text: str) -> list[tuple[str, str]]:
    """A text's words and marks, each with its part of speech in the Penn Treebank's tags."""
    tag, _ = _tagger()
    return tag(text)


@cache
def _tagger() -> tuple[Callable[[str], list[tuple[str, str]]], Callable[[str], str]]:
    with warnings.catch_warnings():
        # TextBlob reads its lexicon at the first word and leaves the file to the garbage collector.
        warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)
        from textblob.en import tag
        from textblob.en.inflect import singularize

        tag("a")
    return tag, singularize


def shares(counts: Counter[str], most: int) -> list[tuple[str, float]]:
    """The most frequent words with their share of all that were counted; equal ones in alphabetical order."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
    return [(word, count / counts.total()) for word, count in ordered]


def word_cloud(prompts: Iterable[str]) -> Image.Image:
    """Words and pairs of words drawn as large as they are frequent, without stop words (Fig. 4 d); seeded."""
    from wordcloud import WordCloud

    cloud: Any = WordCloud(
        width=CLOUD_PX[0], height=CLOUD_PX[1], background_color="white", color_func=_cloud_colour, random_state=0
    )
    words = cloud.process_text("\n".join(prompts))
    if not words:  # stop words alone
        return Image.new("RGB", CLOUD_PX, "white")
    picture: Image.Image = cloud.generate_from_frequencies(words).to_image()
    return picture


def _cloud_colour(*_: Any, random_state: random.Random, **__: Any) -> str:
    """Of one word; the package's own colours reach a yellow that is faint on white."""
    return random_state.choice(CLOUD_COLOURS)
