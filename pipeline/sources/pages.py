"""What a program takes from a web page: links, pictures, the title and labelled texts."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_SILENT = frozenset({"script", "style"})
_INLINE = frozenset({"a", "abbr", "b", "em", "i", "mark", "small", "span", "strong", "sub", "sup", "u"})


@dataclass
class Page:
    """The readable parts of one HTML page, in the order of the page."""

    title: str = ""
    hrefs: list[str] = field(default_factory=list)
    following: list[str] = field(default_factory=list)
    """Addresses of ``rel=next`` links."""
    pictures: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    """Text of each block element, white space collapsed."""

    def links(self, start: str) -> list[str]:
        """Addresses of links that begin like this."""
        return [href for href in self.hrefs if href.startswith(start)]

    def labelled(self, label: str) -> str:
        """The text after a label in its block, or the next block where the label stands alone; empty if absent."""
        for index, block in enumerate(self.blocks):
            if block == label:
                return "".join(self.blocks[index + 1 : index + 2])
            if block.startswith(label):
                return block.removeprefix(label).strip()
        return ""


def read(text: str) -> Page:
    """Parse a page, however broken its HTML is."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    reader.end_block()
    return reader.page


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._text: list[str] = []
        self._silent = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._silent = tag in _SILENT
        if "href" in values:
            kept = self.page.following if values.get("rel") == "next" else self.page.hrefs
            kept.append(values["href"])
        if tag == "img" and "src" in values:
            self.page.pictures.append(values["src"])
        if tag not in _INLINE:
            self.end_block()

    def handle_endtag(self, tag: str) -> None:
        self._silent = False
        if tag not in _INLINE:
            self.end_block(is_title=tag == "h1")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._text.append(data)

    def end_block(self, *, is_title: bool = False) -> None:
        """What was read since the last block is one block."""
        block = " ".join("".join(self._text).split())
        self._text.clear()
        if block:
            self.page.blocks.append(block)
        if is_title:
            self.page.title = block
