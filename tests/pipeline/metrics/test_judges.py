import pytest

from pipeline import work
from pipeline.errors import ModelError
from pipeline.files import read_json
from pipeline.metrics import judges
from pipeline.metrics.judging import judge_image
from pipeline.metrics.settings import ClipModel, DetectorJudge, ModuleJudge, VqaJudge
from tests.pipeline.frozen_models import noise
from tests.pipeline.metrics import tiny_scorers

RULES = {"threshold": 0.0, "counting_threshold": 0.0, "position_threshold": 0.1, "max_objects": 16}
ATOMS = [{"skill": "counting", "class": "star", "count": 2, "question": "two star ?"}, {"skill": "action"}]


def test_the_miniatures_oracle_is_a_module():
    judge = judges.build(ModuleJudge(kind="module", module="miniature.oracle"), "cpu")
    assert (judge.name, judge.store, judge.answers(ATOMS)) == ("miniature.oracle", None, [0, 1])
    assert judge.quality is not None


@pytest.mark.parametrize("kind", ["vqa", "detector"])
def test_a_judge_with_a_model_answers_what_it_can(tmp_path, kind):
    make = tiny_scorers.blip_vqa if kind == "vqa" else tiny_scorers.owlv2
    model, revision = make(tmp_path / "model")
    setting = (
        VqaJudge(kind="vqa", model=model, revision=revision, dtype="float32")
        if kind == "vqa"
        else DetectorJudge(
            kind="detector", model=model, revision=revision, dtype="float32", query="a {}", colours=None, **RULES
        )
    )
    judge = judges.build(setting, "cpu")
    assert judge.name == f"{kind}: {model}"
    assert judge.answers(ATOMS) == [0]
    answers = judge_image(judge, "x", noise(1, 32), ATOMS)
    assert [answer["atom"] for answer in answers] == [0]
    assert len(judge.digest) == 16
    assert judge.store is not None


def test_weights_are_missing_only_when_they_are_needed(tmp_path):
    setting = VqaJudge(kind="vqa", model=str(tmp_path / "none"), revision="0", dtype="float32")
    judge = judges.build(setting, "cpu")
    assert judge.load is not None
    with pytest.raises(ModelError, match="is missing"):
        judge.load()


def test_what_tells_colours_decides_a_detectors_answers_and_not_where_its_weights_lie():
    def built(colours):
        named = {"model": "owl", "revision": "0", "dtype": "float32", "query": "a {}", "colours": colours}
        judge = judges.build(DetectorJudge(kind="detector", **named, **RULES), "cpu")
        return judge.digest, judge.store.folder

    tower = ClipModel(library="open_clip", model="ViT-B-32", revision="0" * 16, weights="here", dtype="float32")
    here, there, without = (built(each) for each in (tower, tower.model_copy(update={"weights": "there"}), None))
    other = built(tower.model_copy(update={"revision": "1" * 16}))
    assert here == there
    assert len({here, other, without}) == 3
    reading = {"pipeline.clip_score", "pipeline.clip_text_tower", "pipeline.clip_texts"}
    assert reading <= read_json(here[1] / work.CODE).keys()
    assert not reading & read_json(without[1] / work.CODE).keys()


def test_what_finds_noun_chunks_decides_a_vqa_judges_answers():
    judge = judges.build(VqaJudge(kind="vqa", model="blip", revision="0", dtype="float32"), "cpu")
    code = read_json(judge.store.folder / work.CODE)
    assert code.keys() == {"pipeline.metrics.vqa", "pipeline.metrics.noun_chunks", "pipeline.describing"}
