import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.prompt_syntax import plain


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("a red circle", "a red circle"),
        ("(red circle)", "red circle"),
        ("(red circle:1.2)", "red circle"),
        ("((red circle)), (((star)))", "red circle, star"),
        ("(a (b:1.1) c:1.3)", "a b c"),
        ("[blurry]", "blurry"),
        ("[dog:cat:0.5]", "cat"),
        ("[cat:10]", "cat"),
        ("[dog::0.5] park", "dog park"),
        ("[red|blue|green] star", "red star"),
        ("[|blue] star", "blue star"),
        ("[|] star", "star"),
        ("[time: noon]", "time: noon"),
        ("[(dog:1.2):(cat:1.3):0.5]", "cat"),
        ("(ratio 3:2)", "ratio 3"),
        ("at 3:20, (x:y)", "at 3:20, x:y"),
        ("<lora:flat:0.8> star", "star"),
        ("star<hypernet:x:1>, <lyco:y>", "star"),
        ("i <3 stars, a < b: c", "i <3 stars, a < b: c"),
        ("star BREAK circle AND heart", "star, circle, heart"),
        ("breaking and entering", "breaking and entering"),
        (r"nana \(series\)", "nana (series)"),
        (r"(nana \(series\):1.2)", "nana (series)"),
        (r"[a \: b:c:0.5]", "c"),
        (r"\[x\] \\ \<", r"[x] \ <"),
        ("embedding:easyneg star", "star"),
        ("a star,\nsix circles", "a star, six circles"),
        ("a star\nsix circles\r\n\nblue", "a star, six circles, blue"),
        ("One star.\nTwo.", "One star. Two."),
        ("a,, b , ,c,", "a, b, c"),
        ("(unclosed star:1.2", "unclosed star"),
        ("closed star) too]", "closed star too"),
        ("(star]", "star"),
        ("tab\there\x00", "tab here"),
        ("🌟 étoile", "🌟 étoile"),
        ("", ""),
        ("<lora:x:1>", ""),
        ("star\\", "star"),
        ("(star:-0.5)", "star"),
        ("(star:1.1.1)", "star:1.1.1"),
        ("(star:+1.2)", "star"),
        ("(star:.5) (circle:1.)", "star circle"),
        ("a cat :1.2 AND a dog:0.8", "a cat, a dog"),
        ("a cat AND (a dog:1.1) AND \\(bird\\:2\\)", "a cat, a dog, (bird:2)"),
        ("a ratio of 3 :2", "a ratio of 3 :2"),
        ("a star embedding:easyneg, circle", "a star, circle"),
        ("(embedding:easyneg:1.2), star", "star"),
        ("[[dog:cat:0.3]:(bird:1.2):0.7]", "bird"),
        ("[(red:1.2)|<lora:x:1>blue] star", "red star"),
        ("[from:[to|other]:10]", "to"),
        ("(a [b|(c:1.2)] \\(d\\):1.3) BREAK <lora:e:0.5> f", "a b (d), f"),
        ("<lora:" + "x" * 2000 + ">", "<lora:" + "x" * 2000 + ">"),
    ],
)
def test_syntax_goes_and_words_stay(raw, expected):
    assert plain(raw) == expected


# The examples that the web UI's own documentation of its attention parser gives, weights left out.
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("normal text", "normal text"),
        ("an (important) word", "an important word"),
        ("(unbalanced", "unbalanced"),
        (r"\(literal\]", "(literal]"),
        ("(unnecessary)(parens)", "unnecessaryparens"),
        ("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).", "a house on a hill, sun, sky."),
    ],
)
def test_the_web_uis_own_examples_are_read_as_it_reads_them(raw, expected):
    assert plain(raw) == expected


@pytest.mark.parametrize(
    "piece", ["<", "<a", "<a:", "(", "[a:", "[a|b|", "\\", "()", "(a:1.2)", "🌟 ", "AND ", "\n", "["]
)
def test_a_hundred_thousand_characters_take_no_time(piece):
    start = time.process_time()
    plain(piece * (100_000 // len(piece)) + ">:1.2)]")
    assert time.process_time() - start < 5.0


def test_letters_of_one_form_are_equal():
    assert plain("e\u0301toile") == plain("étoile")


def test_a_thousand_brackets_do_not_exhaust_the_stack():
    assert plain("(" * 5000 + "star" + ")" * 5000) == "star"


@given(st.text())
def test_any_text_gives_one_line_without_empty_keywords(raw):
    words = plain(raw)
    assert "\n" not in words
    assert words == words.strip()
    assert ", ," not in words


@given(st.text(alphabet="abc ,()[]:12.|\\<>", max_size=40))
def test_no_bracket_that_is_syntax_is_left(raw):
    assert not set(plain(raw.replace("\\", ""))) & set("()[]")
