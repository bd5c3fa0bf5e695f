"""Label Studio's side of the tasks on generated pictures: labelling configurations and tasks.

No tag may have the name of a key in a task's data: in JSON-MIN and CSV exports the tag's answer takes that key's place,
and where there is no answer the data would be read as one.
"""

from collections.abc import Sequence
from typing import Any

from pipeline.answers import QUESTIONS, SKILLS
from pipeline.review.studies import Key, Shown

TIE = "_tie"
"""After a question's name: the choice that stands for the tie that Label Studio's Pairwise tag lacks."""
SAID = ("yes", "no", "unsure")
SIDES = ("left", "right", "tie")


def config(key: Key, *, ties: bool = True) -> str:
    """The labelling configuration of a study; the first question of a preference study is a Pairwise tag.

    Args:
        key: of the study.
        ties: whether one may say of a pair that neither is better.
    """
    return _semantic() if key.task == "semantic" else _preference(key.questions, ties)


def _semantic() -> str:
    blocks = [_choices(skill, "img", SAID, question) for skill, question in SKILLS.items()]
    return "\n".join(
        [
            "<View>",
            '  <Header value="$prompt"/>',
            '  <Text name="what" value="$asked"/>',
            '  <Image name="img" value="$image"/>',
            *blocks,
            _note("img"),
            "</View>\n",
        ]
    )


def _preference(questions: Sequence[str], ties: bool) -> str:
    first, *others = questions
    sides = SIDES if ties else SIDES[:2]
    neither = [_choices(first + TIE, "imgA", ("tie",), "Neither: a tie")] if ties else []
    return "\n".join(
        [
            "<View>",
            '  <Header value="$prompt"/>',
            f'  <Header value="{QUESTIONS[first]}" size="5"/>',
            f'  <Pairwise name="{first}" toName="imgA,imgB"/>',
            '  <View style="display:grid;grid-template-columns:1fr 1fr">',
            '    <Image name="imgA" value="$image_a"/><Image name="imgB" value="$image_b"/>',
            "  </View>",
            *neither,
            *[_choices(question, "imgA", sides, QUESTIONS[question]) for question in others],
            _note("imgA"),
            "</View>\n",
        ]
    )


def _choices(name: str, target: str, values: Sequence[str], title: str) -> str:
    options = "".join(f'<Choice value="{value}"/>' for value in values)
    return (
        f'  <Header value="{title}" size="5"/>\n'
        f'  <Choices name="{name}" toName="{target}" choice="single" showInline="true">{options}</Choices>'
    )


def _note(target: str) -> str:
    return f'  <TextArea name="note" toName="{target}" rows="2" maxSubmissions="1"/>'


def task(shown: Shown, files: Sequence[str], folder: str) -> dict[str, Any]:
    """One task in Label Studio's import format; it tells nothing of arm and seed.

    Args:
        shown: the item.
        files: names of its picture or of the left and the right one.
        folder: where they lie below the root of Label Studio's local files.
    """
    urls = [f"/data/local-files/?d={folder}/{name}" for name in files]
    pictures = {"image": urls[0]} if len(urls) == 1 else {"image_a": urls[0], "image_b": urls[1]}
    return {"data": {"item": shown.item, "prompt": shown.text, "asked": ", ".join(shown.asked), **pictures}}
