import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from pipeline.review import tasks
from tests.pipeline.review.rows import scored


def test_the_least_sure_pair_comes_first() -> None:
    queue = tasks.queue(scored(margins=[3.0, 0.5, 1.0]))
    assert queue.column("rank").to_pylist() == [0, 1, 2]
    assert queue.column("margin").to_pylist() == [0.5, 1.0, 3.0]


def test_label_studio_tasks_carry_the_review_key() -> None:
    queue = tasks.queue(scored(margins=[1.0]))
    (task,) = tasks.label_studio(queue)
    row = queue.to_pylist()[0]
    assert task["data"]["review_key"] == row["review_key"] == tasks.row_key(row)
    assert task["data"]["image"].endswith(f"{row['image_sha256']}.jpg")
    assert task["meta"]["margin"] == 1.0


def test_prompts_with_quotes_and_line_ends_survive_the_csv() -> None:
    prompt = 'a "red", circle;\nand <b>more</b>'
    queue = tasks.queue(scored(margins=[1.0], simple_prompt=prompt))
    (row,) = csv.DictReader(io.StringIO(tasks.as_csv(queue)))
    assert row["simple_prompt"] == prompt
    assert row["review_key"] == queue.column("review_key")[0].as_py()


def test_the_guide_shows_a_line_that_can_be_written() -> None:
    queue = tasks.queue(scored(margins=[1.0]))
    text = tasks.guide(queue)
    assert queue.column("review_key")[0].as_py() in text
    assert '<Choice value="keep" hotkey="1"/>' in text


@given(st.lists(st.text(), min_size=3, max_size=3), st.lists(st.text(), min_size=3, max_size=3))
def test_another_picture_or_prompt_gives_another_key(first: list[str], second: list[str]) -> None:
    assert (tasks.review_key(*first) == tasks.review_key(*second)) == (first == second)


def test_a_key_does_not_depend_on_where_words_are_cut() -> None:
    assert tasks.review_key("a", "bc", "d") != tasks.review_key("a", "b", "cd")
