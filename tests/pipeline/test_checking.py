"""The whole settings file, and what only shows against models and files."""

import importlib.util
import json
import shutil
from hashlib import sha256
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from pipeline import checking, gpu_settings, llm, model_folders
from pipeline.errors import SettingError
from pipeline.model_folders import file_revision
from pipeline.params import load_all
from pipeline.settings import Settings
from tests.closure import ROOT
from tests.pipeline import model_kinds
from tests.pipeline.adapters import official_file


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with this project's settings; models and prompts are the project's own."""
    for name in ("miniature", "prompts"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return Path("params.yaml")


def edit(path, old, new):
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))


def faults(path):
    with pytest.raises(SettingError) as caught:
        checking.examine(path)
    return str(caught.value).splitlines()


def test_the_settings_in_force_are_good_and_equal_the_miniatures_profile(project):
    assert checking.examine(project) == []
    assert load_all(Settings, project) == load_all(Settings, ROOT / "profiles" / "miniature.yaml")


def test_the_papers_profile_is_good(project):
    shutil.copy(ROOT / "profiles" / "paper.yaml", project)
    notes = checking.examine(project)
    assert any("llm.layer was not compared with huggyllama/llama-13b" in note for note in notes)
    assert any("sources.contact is not set" in note for note in notes)
    assert "evaluate.metrics: brisque will not be computed: weights weights/brisque missing" in notes


def test_a_real_site_with_the_salt_of_a_profile_is_noted(project):
    edit(project, "serve: miniature.sites", "serve: null")
    assert any("sources.author_salt is the public one" in note for note in checking.examine(project))
    edit(project, "author_salt: miniature", "author_salt: words of my own")
    assert not any("author_salt" in note for note in checking.examine(project))


@pytest.mark.parametrize("profile", sorted((ROOT / "profiles").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_salts_of_all_profiles_are_known_to_be_public(profile):
    assert load_all(Settings, profile).sources.author_salt in checking.PUBLIC_SALTS


def test_the_papers_profile_has_the_papers_values():
    paper = load_all(Settings, ROOT / "profiles" / "paper.yaml")
    assert paper.diffusion.model == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert (paper.llm.model, paper.llm.layer) == ("huggyllama/llama-13b", 40)
    assert (paper.train.steps, paper.train.batch_size, paper.train.learning_rate) == (5000, 16, 1e-5)
    assert (paper.loss.llm_weight, paper.loss.alignment_weight, paper.loss.temperature) == (1e-5, 1e-5, 1.0)
    assert (paper.clip.model, paper.clip.revision, paper.image.side_px) == ("ViT-B-32-quickgelu", "openai", 512)
    assert paper.review.require
    assert paper.adapter.eta == 0.1
    assert paper.sources.enabled == ("lexica", "civitai")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  layer: 20", "  layer: 41", "llm.layer must be 1 to 40 for this LLaMA, got 41 (params.yaml, line "),
        ("  layer: 20", "  layer: 0", "llm.layer should be greater than or equal to 1, got 0"),
        ("  layers: all", "  layers: [1, 2]", "must hold llm.layer, which is 20"),
        ("miniature/models/blip", "miniature/models/none", "blip.model is not usable: model folder"),
        ("backend: transformers", "backend: lavis", "blip.backend is lavis, but LAVIS is not installed: run make"),
        ("  heads: 8", "  heads: 7", "adapter.heads must divide the text width"),
        ("prompts/miniature.json", "prompts/none.json", "prompt file prompts/none.json is missing"),
        ("module: miniature.oracle", "module: miniature.none", "evaluate.judges names no module: miniature.none"),
        ("serve: miniature.sites", "serve: miniature.none", "sources.lexica.serve names no module"),
        ("serve: miniature.sites", "serve: nosuch.module", "sources.lexica.serve names no module"),
        ("side_px: 64", "side_px: 60", "image.side_px must be a multiple of 8, the VAE's step, got 60"),
        ("model: miniature/models/blip", "model: prompts/blip", "blip.model names no folder: prompts/blip"),
        ("  layer: 20", "  lyer: 20", "llm.lyer is not a setting; did you mean layer? (params.yaml, line "),
        (
            "kind: sur",
            "kind: llm4gen",
            "llm.states must be tokens with adapter.kind: llm4gen, got pooled",
        ),
        (
            "kind: sur",
            "kind: none",
            "adapter.kind: none trains parts of the U-Net and nothing else",
        ),
        ("kind: sur", "kind: any", "adapter.kind"),
        ("unet: frozen", "unet: all", "train.unet"),
        ("adapter:", "adaptor:", "adaptor is not a setting; did you mean adapter?"),
    ],
)
def test_each_mistake_is_one_line_that_says_what_to_do(project, old, new, message):
    edit(project, old, new)
    assert any(message in line for line in faults(project))


def test_a_model_of_the_evaluation_that_is_another_one_is_told_and_a_missing_one_is_noted(project):
    text = project.read_text()
    head, entry, rest = text.partition("    model: miniature/models/clip\n    revision: ")
    project.write_text(f"{head}{entry}0{rest}")
    assert any(line.startswith("evaluate.metrics has a model that is not usable: ") for line in faults(project))
    project.write_text(f"{head}{entry.replace('models/clip', 'models/none')}{rest}")
    (note,) = checking.examine(project)
    assert note == "evaluate.metrics: clip will not be computed: weights miniature/models/none missing"


COLOURS = "colours: {{library: open_clip, model: {0}, revision: {1}, weights: null, dtype: float32}}"
DETECTOR = (
    "{{kind: detector, model: {0}, revision: {1}, dtype: float32, query: '{{}}', threshold: 0.3, "
    "counting_threshold: 0.9, position_threshold: 0.1, max_objects: 16, {2}}}"
)


def test_the_model_that_tells_a_detector_colours_is_looked_at_too(project):
    clip = load_all(Settings, project).clip
    before = project.read_text()
    begin = before.index("  judges:")
    rest = before[begin:].partition("\n  confidence:")

    def judged(model, revision):
        judge = DETECTOR.format(clip.model, clip.revision, COLOURS.format(model, revision))
        project.write_text(f"{before[:begin]}  judges: [{judge}]{rest[1]}{rest[2]}")

    judged(clip.model, clip.revision)
    assert checking.examine(project) == []
    judged("miniature/models/none", clip.revision)
    weights = "weights miniature/models/none missing"
    assert checking.examine(project) == [f"evaluate.judges: detector will not be computed: {weights}"]
    judged(clip.model, "f" * 16)
    (line,) = faults(project)
    assert line.startswith(f"evaluate.judges has a model that is not usable: model folder {clip.model} has revision ")


def test_a_benchmarks_prompts_may_lie_anywhere_and_ours_only_where_dvc_watches(project, tmp_path):
    (tmp_path / "color_val.txt").write_text("a red cup and a blue plate\n")
    revision = file_revision(tmp_path / "color_val.txt")
    entry = f"{{format: t2i_compbench, path: color_val.txt, revision: {revision!r}}}"
    edit(project, "prompts: [prompts/miniature.json]", f"prompts: [{entry}]")
    edit(project, "reference_arms: [complex]", "reference_arms: []")
    assert checking.examine(project) == []
    edit(project, entry, f"{entry}, other.json")
    (tmp_path / "other.json").write_text("[]")
    assert any("must lie in prompts/, which DVC watches, got other.json" in line for line in faults(project))


def test_sections_that_contradict_each_other_are_told(project):
    edit(project, "h3: transformer", "h3: linear")
    edit(project, "student: query", "student: h3")
    assert any("loss.student" in line for line in faults(project))


def test_dropped_captions_ask_for_an_adapted_negative_prompt(project):
    edit(project, "caption_dropout: 0.0", "caption_dropout: 0.1")
    (fault,) = faults(project)
    assert "train.caption_dropout trains the empty text, which sample.adapt_negative: false leaves alone" in fault
    edit(project, "adapt_negative: false", "adapt_negative: true")
    assert checking.examine(project) == []


def test_captions_of_a_training_that_does_not_take_place_are_not_looked_at(project):
    edit(project, "caption_dropout: 0.0", "caption_dropout: 0.1")
    choose_official(project, TEXT_WIDTH)
    assert not any("caption_dropout" in line for line in checking.examine(project))


@pytest.mark.parametrize("kind", ["llm4gen", "llmdiff"])
def test_token_states_have_no_final_norm(project, kind):
    edit(project, "kind: sur", f"kind: {kind}")
    edit(project, "final_norm: false", "final_norm: true")
    edit(project, "states: pooled", "states: tokens" if kind == "llm4gen" else "states: blocks")
    assert any(line.startswith(f"llm.final_norm must be false with adapter.kind: {kind}") for line in faults(project))


@pytest.mark.parametrize("changes", [{"kind: sur": "kind: none"}, {}], ids=["none", "sur"])
def test_captions_may_be_dropped_where_the_unet_learns_the_empty_text(project, changes):
    edit(project, "caption_dropout: 0.0", "caption_dropout: 0.1")
    edit(project, "  unet: frozen", "  unet: cross_attention")
    for old, new in changes.items():
        edit(project, old, new)
    assert checking.examine(project) == []


def test_heads_of_another_kind_must_share_the_width_too(project):
    edit(project, "kind: sur", "kind: llm4gen")
    edit(project, "  states: pooled", "  states: tokens")
    assert checking.examine(project) == []
    edit(project, "    heads: 8", "    heads: 7")
    (fault,) = faults(project)
    assert "adapter.llm4gen.heads must divide the text width 128, got 7" in fault


def test_official_weights_are_of_kind_sur(project):
    edit(project, "kind: sur", "kind: none")
    edit(project, "compat: none", "compat: official")
    assert any("official is a network of adapter.kind: sur" in line for line in faults(project))


GPU_SETTINGS = {"quantisation": ("none", "4bit"), "optimiser": ("adamw", "adamw8bit"), "precision": ("fp32", "fp16")}
INSTALL = "needs bitsandbytes: pip install '.[quantised]' -c constraints.txt, or take"


@pytest.fixture
def gpu_project(project):
    """The project with every setting that needs a GPU."""
    for key, (old, new) in GPU_SETTINGS.items():
        edit(project, f"  {key}: {old}", f"  {key}: {new}")
    return project


def has_bitsandbytes(monkeypatch, there):
    true = importlib.util.find_spec
    other = ModuleSpec("bitsandbytes", None) if there else None
    monkeypatch.setattr(
        gpu_settings.importlib.util, "find_spec", lambda name: other if name == "bitsandbytes" else true(name)
    )


def keyed(lines):
    """The lines without the place in the file, which each of them has."""
    assert all("(params.yaml, line " in line for line in lines)
    return [line.split(" (params.yaml")[0] for line in lines]


def test_eight_and_four_bits_without_bitsandbytes_are_told_before_a_stage_runs(gpu_project, monkeypatch):
    has_bitsandbytes(monkeypatch, False)
    assert keyed(faults(gpu_project)) == [
        f"llm.quantisation 4bit {INSTALL} none",
        f"train.optimiser adamw8bit {INSTALL} adamw",
    ]
    has_bitsandbytes(monkeypatch, True)
    assert checking.examine(gpu_project) == []


def test_what_a_cpu_cannot_do_is_told_before_a_stage_runs(gpu_project, monkeypatch):
    has_bitsandbytes(monkeypatch, True)
    edit(gpu_project, "  device: auto", "  device: cpu")
    assert keyed(faults(gpu_project)) == [
        "llm.quantisation 4bit needs a CUDA GPU, but compute.device is cpu: take none",
        "train.optimiser adamw8bit needs a CUDA GPU, but compute.device is cpu: take adamw",
        "train.precision fp16 needs a GPU, but compute.device is cpu: take fp32 or bf16",
    ]


def test_settings_of_a_training_are_not_looked_at_where_the_authors_weights_are_used(gpu_project, monkeypatch):
    has_bitsandbytes(monkeypatch, False)
    choose_official(gpu_project, TEXT_WIDTH)
    assert keyed(faults(gpu_project)) == [f"llm.quantisation 4bit {INSTALL} none"]


def test_prompt_files_that_dvc_does_not_watch_are_refused(project):
    shutil.copy(ROOT / "prompts" / "paper.json", "mine.json")
    edit(project, "prompts/miniature.json", "mine.json")
    assert "must lie in prompts/, which DVC watches, got mine.json" in faults(project)[0]


def test_several_mistakes_are_told_together(project):
    edit(project, "  layer: 20", "  layer: 41")
    edit(project, "miniature/models/blip", "miniature/models/none")
    assert len(faults(project)) == 2


def test_a_model_whose_content_changed_is_refused(project):
    revision = load_all(Settings, project).clip.revision
    edit(project, revision, "f" * 16)
    (line,) = faults(project)
    assert "clip.model is not usable" in line
    assert "not ffffffffffffffff" in line


def test_an_architecture_of_clip_is_known_and_its_file_of_weights_is_compared(project, tmp_path):
    chosen = load_all(Settings, project).clip
    edit(project, chosen.model, "ViT-B-32-quickgelo")
    (line,) = faults(project)
    assert "clip.model is not usable" in line
    assert "did you mean ViT-B-32-quickgelu?" in line
    edit(project, "ViT-B-32-quickgelo", "ViT-B-32-quickgelu")
    assert checking.examine(project) == [
        f"clip.model ViT-B-32-quickgelu ({chosen.revision}) comes from the hub when it is needed"
    ]
    (tmp_path / "weights.pt").write_bytes(b"weights")
    edit(project, "  weights:", f"  weights: {tmp_path / 'weights.pt'}")
    (line,) = faults(project)
    assert "clip.weights is not usable" in line
    edit(project, chosen.revision, sha256(b"weights").hexdigest()[:16])
    assert checking.examine(project) == []


def test_hub_models_are_compared_when_their_config_can_be_reached(project, monkeypatch):
    monkeypatch.setattr(llm, "layer_count", lambda *_: 12)
    assert "must be 1 to 12" in faults(project)[0]


def test_an_import_must_lie_on_this_machine(project):
    section = (
        "  mine: {kind: png_folder, path: nowhere, revision: a, access_basis: own, licence: CC0-1.0, max_records: 9, "
        "licence_url: https://a.example/l, page_url: https://a.example}\n"
    )
    edit(project, "sources:\n  enabled: [", f"sources:\n{section}  enabled: [mine, ")
    assert faults(project) == [
        f"sources.mine.path names no folder and no file on this machine: nowhere ({project}, line 5)"
    ]
    Path("nowhere").mkdir()
    assert checking.examine(project) == []


def test_cleaning_that_wants_more_than_download_asks_for_is_refused(project):
    edit(project, "min_side_px: 48", "min_side_px: 65")
    (line,) = faults(project)
    assert line.startswith("clean.min_side_px must be at most image.side_px (64)")


TEXT_WIDTH = 128


def choose_official(project, width, **changes):
    """Ask for a file of the authors' form with text states of this width."""
    found = {"path": "theirs.pt", "sha256": official_file.write(Path("theirs.pt"), official_file.state(width))}
    said = json.dumps(found | changes)
    edit(project, "compat: none\n  official_checkpoint: ", f"compat: official\n  official_checkpoint: {said}")


def test_the_authors_weights_are_read_before_anything_runs(project):
    choose_official(project, TEXT_WIDTH)
    (note,) = checking.examine(project)
    assert note == "adapter.official_checkpoint does not tell its base model: it is taken to be diffusion.model"


def test_the_authors_weights_for_other_text_states_are_refused(project):
    choose_official(project, 768)
    (line,) = faults(project)
    assert "adapter.official_checkpoint is for text states of width 768, diffusion.model gives 128 (params" in line


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"path": "none.pt"}, "none.pt is missing"), ({"sha256": "0" * 64}, "theirs.pt has SHA-256 ")],
)
def test_a_file_of_the_authors_that_cannot_be_used_is_refused(project, changes, message):
    choose_official(project, TEXT_WIDTH, **changes)
    (line,) = faults(project)
    assert f"adapter.official_checkpoint is not usable: {message}" in line


def test_the_authors_weights_without_a_file_are_refused_with_the_line(project):
    edit(project, "compat: none", "compat: official")
    (line,) = faults(project)
    assert line.startswith("adapter.official_checkpoint must be {path: ..., sha256: ...} of the authors' file")
    assert "(params.yaml, line " in line
    edit(project, "mixing: paper", "mixing: residual")
    assert any(
        line.startswith("adapter.mixing must be paper with adapter.compat: official") for line in faults(project)
    )


def other_base(project, path, width_divisor=2):
    """Settings with another base model and heads."""
    old = load_all(Settings, project)
    edit(project, f"heads: {old.adapter.heads}", f"heads: {width_divisor}")
    edit(
        project, f"model: {old.diffusion.model}\n  revision: {old.diffusion.revision}", f"model: {path}\n  revision: X"
    )
    edit(project, "revision: X", f"revision: '{model_folders.folder_digest(Path(path))}'")


@pytest.mark.parametrize("kind", model_kinds.KINDS)
def test_stable_diffusion_2_and_xl_are_good_base_models(project, kind):
    other_base(project, model_kinds.folder(kind))
    edit(project, "min_side_px: 48", "min_side_px: 16")
    edit(project, "side_px: 64", "side_px: 16")
    assert checking.examine(project) == []


def test_pictures_of_another_size_than_the_models_are_noted(project):
    other_base(project, model_kinds.folder("sdxl"))
    [note] = checking.examine(project)
    assert note == "image.side_px is 64, diffusion.model draws 16 px: the adapter learns at another size"


def test_the_heads_are_compared_with_the_width_of_both_encoders_together(project):
    other_base(project, model_kinds.folder("sdxl"), width_divisor=16)  # divides the first encoder's 16, not all 40
    assert faults(project) == [
        f"adapter.heads must divide the text width 40, got 16 (params.yaml, line {line_of('heads')})"
    ]


def test_a_base_model_of_another_kind_is_one_line(project, tmp_path):
    path = model_kinds.edited("sd2", tmp_path / "model", "model_index.json", _class_name="FluxPipeline")
    other_base(project, path)
    [told] = faults(project)
    assert told.startswith(f"diffusion.model is not usable: {path} is a FluxPipeline: diffusion.model must be a Stable")


def line_of(key):
    lines = Path("params.yaml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip().startswith(f"{key}:"))


def choose_llmdiff(project, **changes):
    """The kind with what it needs; ``changes`` are whole lines of the file by their key."""
    lines = {"kind: sur": "kind: llmdiff", "eta: 0.5": "eta: 1.0", "states: pooled": "states: blocks", **changes}
    for old, new in lines.items():
        edit(project, f"\n  {old}\n", f"\n  {new}\n")


def test_llmdiff_with_all_it_needs_is_good(project):
    choose_llmdiff(project)
    assert checking.examine(project) == []


@pytest.mark.parametrize("states", ["pooled", "tokens"])
def test_llmdiff_without_the_states_of_all_blocks_is_refused(project, states):
    choose_llmdiff(project, **{"states: pooled": f"states: {states}"})
    (line,) = faults(project)
    assert line.startswith(f"llm.states must be blocks with adapter.kind: llmdiff, got {states} (params.yaml, line ")


def test_dropped_captions_bypass_llmdiff_even_where_the_unet_learns(project):
    choose_llmdiff(project, **{"caption_dropout: 0.0": "caption_dropout: 0.1", "unet: frozen": "unet: full"})
    (line,) = faults(project)
    assert line.startswith("train.caption_dropout trains the empty text")


def test_llmdiff_with_the_start_token_among_the_prompts_own_is_refused(project):
    choose_llmdiff(project, **{"pool_bos: false": "pool_bos: true"})
    (line,) = faults(project)
    assert line.startswith("llm.pool_bos must be false with adapter.kind: llmdiff")


def test_llmdiff_beside_the_text_encoder_is_noted(project):
    choose_llmdiff(project, **{"eta: 0.5": "eta: 0.75"})
    (note,) = checking.examine(project)
    assert note.startswith("adapter.eta 0.75 keeps the text encoder beside the LLM")


def test_llmdiff_that_starts_at_the_base_model_is_refused(project):
    choose_llmdiff(project, **{"eta: 0.5": "eta: 0.0"})
    assert any(line.startswith("adapter.eta: 0 is the untouched base model") for line in faults(project))


def test_dropped_captions_that_bypass_llmdiff_are_refused_and_an_unlearned_empty_text_noted(project):
    choose_llmdiff(project, **{"caption_dropout: 0.0": "caption_dropout: 0.1"})
    (line,) = faults(project)
    assert line.startswith(
        "train.caption_dropout trains the empty text, which sample.adapt_negative: false leaves alone"
    )
    edit(project, "adapt_negative: false", "adapt_negative: true")
    assert checking.examine(project) == []
    edit(project, "caption_dropout: 0.1", "caption_dropout: 0.0")
    (note,) = checking.examine(project)
    assert "will not have learned the empty text" in note


@pytest.fixture
def expanding(project):
    """The same, asking for LLM-expanded prompts of a file; gives settings and file."""
    Path("prompts").unlink()
    shutil.copytree(ROOT / "prompts", "prompts")
    edit(project, "reference_arms: [complex]", "reference_arms: [complex, expanded]")
    edit(project, "  expanded:", "  expanded: prompts/llm.json")
    return project, Path("prompts/llm.json")


def test_prompts_that_lack_a_reference_arms_wording_are_counted(expanding):
    project, file = expanding
    first, second, *others = json.loads(Path("prompts/miniature.json").read_text())
    file.write_text(json.dumps({second["id"]: "Something."}))
    [note] = checking.examine(project)
    assert note.endswith(f"59 of 60 prompts have no expanded wording and so no arm expanded, first {first['id']}")
    file.write_text(json.dumps({each["id"]: "Something." for each in (first, second, *others)}))
    assert checking.examine(project) == []


def test_expanded_prompts_that_the_text_encoder_cuts_are_counted(expanding):
    project, file = expanding
    texts = {each["id"]: "red square" for each in json.loads(Path("prompts/miniature.json").read_text())}
    file.write_text(json.dumps({**texts, next(iter(texts)): "red square " * 40}))
    [note] = checking.examine(project)
    assert note == "sample.expanded: 1 of 60 texts are longer than the text encoder reads and are cut"


def test_a_wrong_file_of_expanded_prompts_is_one_line(expanding):
    project, file = expanding
    assert faults(project) == ["prompts/llm.json is missing: see sample.expanded and docs/evaluation.md"]
    file.write_text('{"somebody": "elses"}')
    assert faults(project) == ["prompts/llm.json: somebody is no prompt of sample.prompts (unknown ids: 1)"]


@pytest.mark.parametrize("name", ["llm.json", "prompts/../llm.json"])
def test_expanded_prompts_that_dvc_does_not_watch_are_refused(expanding, name):
    project, _ = expanding
    edit(project, "prompts/llm.json", name)
    [line] = faults(project)
    assert line.startswith(f"sample.expanded must lie in prompts/, which DVC watches, got {name} (params.yaml, line ")


def test_reference_arms_that_no_method_draws_are_noted(project):
    edit(project, "methods: [none]", "methods: [sag]")
    assert "sample.reference_arms are drawn with method none alone, which sample.methods does not name" in (
        checking.examine(project)
    )


def test_prompts_without_complex_wording_are_counted_too(project):
    edit(project, "prompts: [prompts/miniature.json]", "prompts: [prompts/paper.json]")
    [note] = checking.examine(project)
    assert note.startswith(
        "sample.reference_arms: 45 of 45 prompts have no complex wording and so no arm complex, first"
    )
