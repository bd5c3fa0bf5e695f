from pipeline.sources.pages import read

PAGE = """<!DOCTYPE html><html><head><title>Site</title><style>p { color: red }</style></head><body>
<h1>Two  stars</h1><script>var prompt = "Prompt: not this";</script>
<div><span>Prompt:</span> <span><a href="/prompts/1">two &amp; more</a>, </span>
<span><a href="/p/2">stars</a></span></div>
<p>Size: 64 X 96</p><dl><dt>Style:</dt><dd>Flat</dd></dl>
<img src="https://cdn.example/a.jpg"><img alt="none"><a rel="next" href="?page=2">Next</a><a>no address</a>
"""


def test_links_pictures_and_the_title_are_found():
    page = read(PAGE)
    assert page.title == "Two stars"
    assert page.links("/prompts/") == ["/prompts/1"]
    assert page.following == ["?page=2"]
    assert page.pictures == ["https://cdn.example/a.jpg"]


def test_a_label_gives_the_rest_of_its_block():
    assert read(PAGE).labelled("Prompt:") == "two & more, stars"
    assert read(PAGE).labelled("Size:") == "64 X 96"


def test_a_label_that_stands_alone_gives_the_next_block():
    assert read(PAGE).labelled("Style:") == "Flat"
    assert read("<p>Style:</p>").labelled("Style:") == ""


def test_a_missing_label_gives_nothing():
    assert read(PAGE).labelled("Seed:") == ""


def test_scripts_and_styles_are_not_text():
    assert not any("not this" in block or "color" in block for block in read(PAGE).blocks)


def test_broken_html_is_read_as_far_as_it_goes():
    page = read("<div><a href='/image/1-x'>open <b>and")
    assert (page.hrefs, page.blocks) == (["/image/1-x"], ["open and"])
