import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from pipeline import operating, sampling, tables
from pipeline.adapters import checkpoint, folder
from pipeline.adapters.folder import LlmNamed
from pipeline.adapters.settings import AdapterParams
from pipeline.adapters.sur import SurAdapter
from pipeline.errors import EmptyResultError, InputError, ModelError
from pipeline.generated import GENERATED, MANIFEST
from pipeline.methods.settings import CONTROLNETS
from stages import sample as stage
from tests.pipeline import tiny_models
from tests.pipeline.adapters import official_file
from tests.pipeline.adapters.test_sur import BASE as ADAPTER
from tests.pipeline.methods import tiny_controlnet
from tests.pipeline.test_prompts import ENTRY
from tests.pipeline.test_shots import config, prompt
from tests.stages.test_latents import config as base
from tests.stages.test_train import LLM
from tests.stages.test_train import base as named


def write_adapter(path, **changes):
    adapter = SurAdapter(AdapterParams(**{**ADAPTER, **changes}), width=tiny_models.WIDTH, llm_width=4, w0_seed=0)
    language = LlmNamed(**LLM.model_dump())
    folder.save(path, adapter, base=named(), llm=language, w0_seed=0, llm_scale="raw", steps=1)
    return path


class Fake:
    """Draws a square whose colour says text, seed and arm; keeps what it drew and from which conditioning picture."""

    def __init__(self):
        self.drawn, self.methods, self.made = [], [], {}

    def of(self, method):
        """The operator of a method."""
        self.methods.append(method)
        return lambda rows: self.draw(rows, method)

    def draw(self, rows, method):
        pictures = []
        for row in rows.to_pylist():
            self.drawn.append((row["text"], row["seed"], row["adapted"]))
            colour = hashlib.sha256(repr((method, self.drawn[-1], row["source"])).encode()).digest()[:3]
            pictures.append(sampling.png(Image.new("RGB", (8, 8), tuple(colour))))
            self.made[(method, *self.drawn[-1])] = (row["source"], pictures[-1])
        made = {"key": rows.column("key"), "image": pa.array(pictures, pa.binary())}
        return pa.table(made | {"condition": rows.column("source")} if method in CONTROLNETS else made)


def run(tmp_path, fake, *, adapter=None, prompts=None, target="sample", run=operating.local, **changes):
    chosen = [prompt("a"), prompt("b", "blue square", None)] if prompts is None else prompts
    adapter = adapter or write_adapter(tmp_path / "adapter")
    stage.sample(adapter, tmp_path / target, chosen, config(**changes), base(), build=fake.of, unit=3, run=run)


def contents(path):
    return {each.name: each.read_bytes() for each in path.rglob("*") if each.is_file()}


def test_every_arm_is_drawn_from_the_same_seed(tmp_path):
    fake = Fake()
    run(tmp_path, fake)
    manifest = tables.read(tmp_path / "sample/manifest.parquet", MANIFEST).to_pylist()
    assert len(manifest) == 10
    first = [row for row in manifest if row["prompt_id"] == "a" and row["index"] == 0]
    assert [row["arm"] for row in first] == ["adapted", "base", "complex"]
    assert len({row["seed"] for row in first}) == 1
    assert [row["text"] for row in first] == ["two red squares", "two red squares", "red square, 2"]
    assert len(fake.drawn) == 10


def test_manifest_and_pictures_belong_together(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "ROWS_PER_SHARD", 4)
    run(tmp_path, Fake())
    manifest = {
        row["sample_id"]: row for row in tables.read(tmp_path / "sample/manifest.parquet", MANIFEST).to_pylist()
    }
    parts = tables.shards(tmp_path / "sample/parts")
    assert len(parts) == 3
    for part in parts:
        for row in tables.read(part, GENERATED).to_pylist():
            told = manifest.pop(row["sample_id"])
            assert told["part"] == part.name
            assert told["sha256"] == hashlib.sha256(row["image"]["bytes"]).hexdigest()
            assert (told["arm"], told["index"], told["seed"]) == (row["arm"], row["index"], row["seed"])
    assert not manifest


def test_all_pictures_go_out_at_once(tmp_path, monkeypatch):
    """A pool of workers starts once, however many shards there are."""
    monkeypatch.setattr(stage, "ROWS_PER_SHARD", 4)
    sent = []

    def watched(work, rows, store):
        sent.append(rows.num_rows)
        operating.local(work, rows, store)

    run(tmp_path, Fake(), run=watched)
    assert sent == [10]


def test_another_adapter_draws_its_own_arm_alone(tmp_path):
    run(tmp_path, Fake())
    fake = Fake()
    run(tmp_path, fake, adapter=write_adapter(tmp_path / "other", seed=1), target="second")
    assert len(fake.drawn) == 4
    assert all(adapted for _, _, adapted in fake.drawn)


def test_a_second_run_draws_nothing_and_gives_the_same_bytes(tmp_path):
    run(tmp_path, Fake())
    fake = Fake()
    run(tmp_path, fake, target="second")
    assert fake.drawn == []
    assert contents(tmp_path / "sample") == contents(tmp_path / "second")


def test_more_pictures_cost_only_themselves(tmp_path):
    run(tmp_path, Fake())
    fake = Fake()
    run(tmp_path, fake, images_per_prompt=3, target="second")
    assert len(fake.drawn) == 5


def test_the_report_counts_by_arm_and_type(tmp_path):
    run(tmp_path, Fake())
    report = json.loads((tmp_path / "sample/report.json").read_text())
    assert (report["in"], report["out"]) == (2, 10)
    assert report["pictures"] == {"base": 4, "adapted": 4, "complex": 2}
    assert report["prompts"] == {"counting": 2}
    assert tiny_models.is_picture(tmp_path / "sample/grids.png")


def test_no_prompt_is_told(tmp_path):
    with pytest.raises(EmptyResultError, match=r"the files of sample\.prompts hold no prompt"):
        run(tmp_path, Fake(), prompts=[])


def test_a_missing_adapter_is_told(tmp_path):
    with pytest.raises(ModelError, match="is no adapter folder"):
        run(tmp_path, Fake(), adapter=tmp_path / "none")


def test_the_stage_runs_with_the_settings_in_force(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_adapter(Path("data/train/adapter"))
    Path("prompts").mkdir()
    Path("prompts/miniature.json").write_text(json.dumps([ENTRY]))
    tiny_models.write_params(Path("params.yaml"))
    stage.main()
    assert tables.read(Path("data/sample/manifest.parquet"), MANIFEST).num_rows == 3


def test_the_authors_weights_are_sampled_like_any_adapter(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    official_file.write(Path("theirs.pt"))
    folder.save_official(Path("data/train/adapter"), checkpoint.read(Path("theirs.pt")), base=named(), eta=0.3)
    Path("prompts").mkdir()
    Path("prompts/miniature.json").write_text(json.dumps([ENTRY]))
    tiny_models.write_params(Path("params.yaml"))
    stage.main()
    assert tables.read(Path("data/sample/manifest.parquet"), MANIFEST).num_rows == 3
    assert json.loads(Path("data/sample/report.json").read_text())["eta"] == 0.3


def conditions(folder):
    folder.mkdir(parents=True)
    for name, colour in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (8, 8), colour).save(folder / f"{name}.png")
    return folder


def test_the_manifest_names_model_and_method_of_each_picture(tmp_path):
    run(tmp_path, Fake(), methods=["none", "sag"])
    manifest = tables.read(tmp_path / "sample/manifest.parquet", MANIFEST).to_pylist()
    assert len(manifest) == 18
    assert {row["model"] for row in manifest} == {base().model}
    assert {(row["method"], row["arm"]) for row in manifest} == {
        ("none", "base"),
        ("none", "adapted"),
        ("none", "complex"),
        ("sag", "base"),
        ("sag", "adapted"),
    }
    report = json.loads((tmp_path / "sample/report.json").read_text())
    assert report["methods"] == {"none": 10, "sag": 8}


def test_a_further_method_costs_only_itself(tmp_path):
    run(tmp_path, Fake())
    fake = Fake()
    run(tmp_path, fake, methods=["none", "sag"], target="second")
    assert fake.methods == ["sag"]
    assert len(fake.drawn) == 8


def test_another_adapter_makes_no_base_picture_of_any_method_again(tmp_path):
    nets = {"canny": tiny_controlnet.canny(), "seg": tiny_controlnet.seg(conditions(tmp_path / "seg"))}
    chosen = {"methods": ["none", "canny", "seg", "pag"], "controlnets": nets, "reference_arms": []}
    run(tmp_path, Fake(), **chosen)
    fake = Fake()
    run(tmp_path, fake, adapter=write_adapter(tmp_path / "other", seed=1), target="second", **chosen)
    assert len(fake.drawn) == 16
    assert all(adapted for _, _, adapted in fake.drawn)


def test_edges_come_from_the_base_picture_of_the_same_seed_in_both_arms(tmp_path):
    fake = Fake()
    chosen = {"methods": ["canny"], "controlnets": {"canny": tiny_controlnet.canny(), "seg": None}}
    run(tmp_path, fake, **chosen)
    assert fake.methods == ["none", "canny"]
    assert len(fake.drawn) == 4 + 8
    edges = [(*shot, source) for (method, *shot), (source, _) in fake.made.items() if method == "canny"]
    assert len(edges) == 8
    for text, seed, _, source in edges:
        assert source == fake.made["none", text, seed, False][1]
    manifest = tables.read(tmp_path / "sample/manifest.parquet", MANIFEST)
    assert set(manifest.column("method").to_pylist()) == {"canny"}
    assert tiny_models.is_picture(tmp_path / "sample/grids.png")


def test_edges_may_come_from_the_picture_of_the_complex_wording(tmp_path):
    fake = Fake()
    nets = {"canny": tiny_controlnet.canny(source="complex"), "seg": None}
    run(tmp_path, fake, methods=["canny"], controlnets=nets, prompts=[prompt("a")])
    assert {text for text, _, _ in fake.drawn[:2]} == {"red square, 2"}
    with pytest.raises(InputError, match="prompt b has no complex wording"):
        run(tmp_path, fake, methods=["canny"], controlnets=nets, target="second")


def test_another_conditioning_picture_makes_its_pictures_again(tmp_path):
    folder_ = conditions(tmp_path / "seg")
    chosen = {"methods": ["seg"], "controlnets": {"canny": None, "seg": tiny_controlnet.seg(folder_)}}
    run(tmp_path, Fake(), **chosen)
    Image.new("RGB", (8, 8), "green").save(folder_ / "b.png")
    fake = Fake()
    run(tmp_path, fake, target="second", **chosen)
    assert {text for text, _, _ in fake.drawn} == {"blue square"}


def test_a_prompt_without_its_conditioning_picture_is_told(tmp_path):
    folder_ = conditions(tmp_path / "seg")
    (folder_ / "b.png").unlink()
    nets = {"canny": None, "seg": tiny_controlnet.seg(folder_)}
    with pytest.raises(InputError, match=r"has no picture for 1 of the prompts: put b\.png"):
        run(tmp_path, Fake(), methods=["seg"], controlnets=nets)


def test_the_stage_runs_all_methods_with_the_settings_in_force(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_adapter(Path("data/train/adapter"))
    Path("prompts").mkdir()
    Path("prompts/miniature.json").write_text(json.dumps([ENTRY]))
    Path("prompts/seg").mkdir()
    Image.new("RGB", (8, 8), "red").save(f"prompts/seg/{ENTRY['id']}.png")
    nets = {"canny": tiny_controlnet.canny(), "seg": tiny_controlnet.seg("prompts/seg")}
    methods = ["none", "canny", "seg", "weighting", "panorama", "sag", "pag"]
    panorama = {"height_px": 16, "width_px": 32, "scheduler_of": None}
    tiny_models.write_params(
        Path("params.yaml"), sample={"steps": 2, "methods": methods, "controlnets": nets, "panorama": panorama}
    )
    stage.main()
    assert tables.read(Path("data/sample/manifest.parquet"), MANIFEST).num_rows == 3 + 6 * 2


def in_a_folder(folder_, monkeypatch, entry, **sample):
    """The stage with real, tiny models in a folder of its own; gives the manifest's rows by arm."""
    folder_.mkdir()
    monkeypatch.chdir(folder_)
    write_adapter(Path("data/train/adapter"))
    Path("prompts").mkdir()
    Path("prompts/miniature.json").write_text(json.dumps([entry]))
    Path("prompts/llm.json").write_text(json.dumps({ENTRY["id"]: ENTRY["complex"]}))
    tiny_models.write_params(Path("params.yaml"), sample=dict(sample, steps=2))
    stage.main()
    return {row["arm"]: row for row in tables.read(Path("data/sample/manifest.parquet"), MANIFEST).to_pylist()}


def test_the_base_model_draws_what_an_llm_made_of_the_prompt_from_the_same_noise(tmp_path, monkeypatch):
    """The same words as complex wording in another folder give the same bytes."""
    told = in_a_folder(tmp_path / "told", monkeypatch, ENTRY)
    given = {"reference_arms": ["expanded"], "expanded": "prompts/llm.json"}
    found = in_a_folder(tmp_path / "found", monkeypatch, {**ENTRY, "complex": None}, **given)
    assert found.keys() == {"base", "adapted", "expanded"}
    assert (found["expanded"]["text"], found["base"]["text"]) == (ENTRY["complex"], ENTRY["text"])
    assert len({row["seed"] for row in found.values()}) == 1
    assert found["expanded"]["sha256"] == told["complex"]["sha256"]
    assert len({row["sha256"] for row in found.values()}) == 3
    assert all(found[arm]["sha256"] == told[arm]["sha256"] for arm in ("base", "adapted"))


def test_an_expanded_arm_costs_only_itself_and_another_text_only_its_pictures(tmp_path):
    plain = [prompt("a"), prompt("b", "blue square", None)]
    given = {"reference_arms": ["complex", "expanded"], "expanded": "prompts/llm.json"}
    run(tmp_path, Fake(), prompts=plain)
    first = Fake()
    run(tmp_path, first, prompts=[replace(plain[0], expanded="A"), replace(plain[1], expanded="B")], **given)
    assert sorted((text, adapted) for text, _, adapted in first.drawn) == [("A", False)] * 2 + [("B", False)] * 2
    second = Fake()
    run(tmp_path, second, prompts=[replace(plain[0], expanded="A"), replace(plain[1], expanded="C")], **given)
    assert [text for text, _, _ in second.drawn] == ["C"] * 2
    report = json.loads((tmp_path / "sample/report.json").read_text())
    assert report["pictures"] == {"base": 4, "adapted": 4, "complex": 2, "expanded": 4}
