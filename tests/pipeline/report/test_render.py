import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.report import render, study_pages
from pipeline.report.background import ModelLines
from pipeline.report.collect import collect
from pipeline.report.missing import gaps
from pipeline.report.render import Content, Picture
from pipeline.report.study_pages import Studies
from tests.pipeline.report.folder import MODELS, draw, write_data
from tests.pipeline.report.made_studies import row, study


class _Reader(HTMLParser):
    """Collects tags, and the addresses that a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.fixture
def found(tmp_path: Path) -> Content:
    findings = collect(write_data(tmp_path / "data"), MODELS)
    chart = Picture(draw(tmp_path / "data/report/plots/differences.png"), 'a "chart"')
    grid = Picture(draw(tmp_path / "data/sample/grids.png"), "grids", wide=True)
    return render.content(findings, gaps(findings, Studies(), "here"), [chart], [grid], printed={}, title="What & why")


def test_the_page_needs_nothing_from_outside(found: Content) -> None:
    reader = _Reader()
    reader.feed(render.as_page(found))
    assert reader.loaded
    assert all(address.startswith("data:") for address in reader.loaded)
    assert "script" not in reader.tags
    assert reader.tags.count("img") == 2


def test_prompts_show_as_text_whatever_they_hold(found: Content, tmp_path: Path) -> None:
    page, text = render.as_page(found), render.as_markdown(found, tmp_path)
    assert "&lt;b&gt;a | b&lt;/b&gt;" in page
    assert "What &amp; why" in page
    assert "<b>" not in page
    assert r"&lt;b>a \| b&lt;/b>" in text


def test_markdown_links_pictures_from_where_it_stands(found: Content, tmp_path: Path) -> None:
    text = render.as_markdown(found, tmp_path / "data" / "report")
    assert "(plots/differences.png)" in text
    assert "(../sample/grids.png)" in text


def test_markdown_tables_have_as_many_cells_as_their_head(found: Content, tmp_path: Path) -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", render.as_markdown(found, tmp_path), re.MULTILINE)
    assert len(blocks) == 4
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1


def test_the_headline_comes_first(found: Content, tmp_path: Path) -> None:
    page = render.as_page(found)
    assert page.index(found.headline) < page.index("Table 2")
    assert render.as_markdown(found, tmp_path).splitlines()[2] == f"**{found.headline}**"


def test_studies_stand_in_both_forms_with_their_charts(tmp_path: Path) -> None:
    findings = collect(write_data(tmp_path / "data"), MODELS)
    content = study([row("layer 1", curve=[[50, 0.04]])])
    for name in ("layers.png", "layers-losses.png"):
        draw(tmp_path / name)
    drawn, bare = (study_pages.page(tmp_path / f"{name}.json", content) for name in ("layers", "bare"))
    shown = render.content(findings, [], [], [], printed={}, title="t", studies=[drawn, bare])
    page, text = render.as_page(shown), render.as_markdown(shown, tmp_path / "data" / "report")
    assert page.count("<summary>LLM layers (the paper&#39;s Table 4)</summary>") == 2
    assert "Layer 20 &amp; the others." in page
    assert page.count("data:image/png") == 2
    assert "![LLM layers (the paper's Table 4)](../../layers.png)" in text
    assert "![LLM layers (the paper's Table 4): losses](../../layers-losses.png)" in text
    assert text.count("### Each row against the base model") == 2


def test_models_are_a_list_in_both_forms(found: Content, tmp_path: Path) -> None:
    page, text = render.as_page(found), render.as_markdown(found, tmp_path)
    assert "<strong>captions (BLIP)</strong>: <code>somebody/blip @ main</code>" in page
    assert "- captions (BLIP): `somebody/blip @ main` (from the Hugging Face hub" in text
    measured = replace(found, models=[ModelLines("LLM", "a @ 1", ["loss 0.5", "right 1"], "3 more")])
    assert "- LLM: `a @ 1`: loss 0.5; right 1 (3 more)" in render.as_markdown(measured, tmp_path)
    assert "<li>loss 0.5</li><li>right 1</li>" in render.as_page(measured)


def test_a_cell_over_several_columns_is_one_on_the_page_and_padded_in_markdown(found: Content, tmp_path: Path) -> None:
    page, text = render.as_page(found), render.as_markdown(found, tmp_path)
    assert (
        '<td class="grey" colspan="9"><div>not computed: evaluate.metrics has no entry of kind musiq</div></td>' in page
    )
    assert "| MUSIQ ↑ | not computed: evaluate.metrics has no entry of kind musiq | | | | | | | | |\n" in text


@pytest.mark.parametrize(("count", "opened"), [(20, True), (21, False)])
def test_few_prompts_stand_unfolded_and_many_have_their_sum_before_the_fold(
    found: Content, count: int, opened: bool
) -> None:
    page = render.as_page(replace(found, prompts=replace(found.prompts, rows=[found.prompts.rows[0]] * count)))
    assert (f"<details open><summary>{count} prompts</summary>" in page) is opened
    assert page.index("Over all 20 prompts") < page.index(f"<summary>{count} prompts</summary>")
