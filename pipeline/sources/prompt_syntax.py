"""Prompts of the A1111 web UI as plain text: a small parser for its brackets.

Nested brackets and escapes are why this is no regular expression. The grammar, from the web UI's documentation
("Attention/emphasis", "Prompt editing", "Alternating Words")::

    (text)  ((text))  (text:1.2)      emphasis           -> text
    [text]                            less emphasis      -> text
    [from:to:0.5]  [to:10]            prompt editing     -> to   (what is drawn in the end; ``from`` if nothing)
    [a|b|c]                           alternation        -> a
    <lora:name:0.8>  <hypernet:...>   extra networks     -> nothing
    embedding:name                    an embedding       -> nothing
    BREAK                             chunks             -> a comma
    cat :1.2 AND dog :0.8             composition        -> cat, dog
    \\( \\) \\[ \\] \\< \\\\               escapes            -> the sign itself
"""

import unicodedata

from pipeline.sources.record import Unusable, as_text

_CLOSING = {"(": ")", "[": "]"}
_COMPOSED = " AND "
_CHUNKS = {"BREAK", "AND"}
_MASK = str.maketrans({":": "\ue000", "|": "\ue001"})  # private-use signs: separators that are text, not syntax
_UNMASK = str.maketrans({"\ue000": ":", "\ue001": "|"})


def both(value: object) -> tuple[str, str]:
    """A prompt as a source has it, and the same as plain text.

    Raises:
        Unusable: it is no text, or no words are left of it (``no_prompt``).
    """
    prompt = as_text(value) or ""
    words = plain(prompt)
    if not words:
        raise Unusable("no_prompt")
    return prompt, words


def plain(prompt: str) -> str:
    """A prompt without weights, extra networks and line breaks; its words stay as they are.

    Brackets that nothing closes, or that close nothing, are dropped.
    """
    text = _Reader(prompt.translate({0xE000: None, 0xE001: None})).text(None)
    return _tidy(_composed(text).translate(_UNMASK))


class _Reader:
    """Reads one prompt from left to right; depth is bounded by an explicit limit, as prompts come from strangers."""

    MAX_DEPTH = 50
    MAX_TAG = 1000  # characters; without a bound, a prompt of nothing but "<" would take quadratic time

    def __init__(self, prompt: str) -> None:
        self.prompt, self.place, self.depth = prompt, 0, 0

    def text(self, closing: str | None) -> str:
        """The plain text up to the closing bracket, which is consumed."""
        said: list[str] = []
        while self.place < len(self.prompt):
            sign = self.prompt[self.place]
            self.place += 1
            if sign == closing:
                break
            said.append(self._piece(sign))
        return "".join(said)

    def _piece(self, sign: str) -> str:
        match sign:
            case "\\":
                return self._escaped()
            case "(" | "[" if self.depth < self.MAX_DEPTH:
                return self._group(sign)
            case "(" | ")" | "[" | "]":
                return ""
            case "<":
                return self._network()
        return sign

    def _escaped(self) -> str:
        sign = self.prompt[self.place : self.place + 1]
        self.place += len(sign)
        return sign.translate(_MASK)

    def _group(self, opening: str) -> str:
        self.depth += 1
        inside = self.text(_CLOSING[opening])
        self.depth -= 1
        chosen = _emphasised(inside) if opening == "(" else _edited(inside)
        return chosen.translate(_MASK)

    def _network(self) -> str:
        """Nothing for ``<kind:name...>``; a lone ``<`` is text."""
        end = self.prompt.find(">", self.place, self.place + self.MAX_TAG)
        kind, colon, _ = self.prompt[self.place : max(end, self.place)].partition(":")
        if not colon or not kind.isidentifier():
            return "<"
        self.place = end + 1
        return " "


def _is_number(text: str) -> bool:
    digits = text.strip()
    return digits[digits[:1] in ("+", "-") :].replace(".", "", 1).isdecimal()


def _emphasised(inside: str) -> str:
    words, colon, weight = inside.rpartition(":")
    return words if colon and _is_number(weight) else inside


def _edited(inside: str) -> str:
    if "|" in inside:
        return next((choice for choice in inside.split("|") if choice.strip()), "")
    *choices, when = inside.split(":")
    if not choices or not _is_number(when):
        return inside
    return next((choice for choice in reversed(choices) if choice.strip()), "")


def _composed(text: str) -> str:
    """Composed prompts without their weights; a weight belongs to composition alone."""
    parts = text.split(_COMPOSED)
    return _COMPOSED.join(map(_emphasised, parts)) if len(parts) > 1 else text


def _tidy(text: str) -> str:
    """One line, one space between words, one comma between keywords."""
    text = unicodedata.normalize("NFC", text)
    text = "".join(" " if unicodedata.category(sign) == "Cc" and sign != "\n" else sign for sign in text)
    lines = (_ended(line.strip()) for line in text.splitlines())
    words = " ".join(line for line in lines if line).split()
    kept = ("," if word.strip(",") in _CHUNKS else _without_embedding(word) for word in words)
    keywords = (" ".join(keyword.split()) for keyword in " ".join(kept).split(","))
    return ", ".join(keyword for keyword in keywords if keyword)


def _without_embedding(word: str) -> str:
    """Nothing for an embedding's name, but the comma after it still ends a keyword."""
    if not word.startswith("embedding:"):
        return word
    return "," if word.endswith(",") else ""


def _ended(line: str) -> str:
    """A line break separates keywords unless the line ends a sentence by itself."""
    return line if line.endswith((".", ",", ";", ":", "!", "?")) else f"{line},"
