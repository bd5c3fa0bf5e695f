"""Noun chunks of a prompt, for T2I-CompBench's protocol: "a red bench and a yellow clock" has two."""

from pipeline.describing import tagged

MOST = 8
NO_THING = frozenset({"top", "the side", "the left", "the right"})
"""Places, which the protocol does not ask for."""
NOUNS = ("NN", "NNS", "NNP", "NNPS")
BEFORE = ("DT", "PRP$", "CD", "JJ", "JJR", "JJS", "VBN", "VBG", "RB")
"""What may stand before the noun: article, number, adjective, participle, adverb."""


def noun_chunks(text: str) -> list[str]:
    """The first eight noun chunks of a sentence in lower case.

    The tagger is TextBlob's, whose lexicon comes with its package; the protocol's own is spaCy's, so that chunks differ
    here and there (ADR 0031). A chunk is what may stand before a noun, with at least one noun behind it.
    """
    chunks, waiting, has_noun = list[str](), list[str](), False
    for word, kind in [*tagged(text.lower()), ("", "END")]:
        if kind in NOUNS:
            waiting, has_noun = [*waiting, word], True
        elif kind in BEFORE and not has_noun:
            waiting = [word] if kind in ("DT", "PRP$") else [*waiting, word]
        else:
            if has_noun:
                chunks.append(" ".join(waiting))
            waiting, has_noun = ([word], False) if kind in BEFORE else ([], False)
    return [chunk for chunk in chunks if chunk not in NO_THING][:MOST]
