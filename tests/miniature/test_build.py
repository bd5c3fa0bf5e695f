import pytest

from miniature import build, cards
from miniature.training import OutOfTimeError, Plan

PARTS = {"vae": "vae", "tokenizer": "tokenizer"}


def _run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["build", *arguments])
    build.main()


def test_only_the_models_asked_for_are_made(monkeypatch, tmp_path):
    made = []
    for name in build.BUILDERS:
        monkeypatch.setitem(
            build.BUILDERS, name, lambda out, session, name=name: made.append((name, out, session.until))
        )
    _run(monkeypatch, "--only", "llama-32", "blip", "--out", str(tmp_path))
    assert made == [("llama-32", tmp_path, float("inf")), ("blip", tmp_path, float("inf"))]


def test_all_models_are_made_those_that_others_build_on_first(monkeypatch, tmp_path):
    made = []
    for name in build.BUILDERS:
        monkeypatch.setitem(build.BUILDERS, name, lambda out, session, name=name: made.append(name))
    _run(monkeypatch, "--out", str(tmp_path))
    assert set(made[:4]) == {"clip", "blip", "llama-40", "diffusion"}
    assert set(made[4:]) == {"llama-32", "llama-60", "cartoon", "controlnet-edges", "controlnet-segments"}


@pytest.mark.parametrize("name", ["cartoon", "controlnet-edges", "controlnet-segments"])
def test_a_model_that_builds_on_a_missing_one_says_so_in_one_line_and_fails(name, monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit, match="1"):
        _run(monkeypatch, "--only", name, "--out", str(tmp_path), "--checkpoints", str(tmp_path))
    told = f"{tmp_path / 'diffusion'} holds no diffusion model; make it first: --only diffusion\n"
    assert capsys.readouterr().err == told


def test_a_build_out_of_time_says_how_to_go_on_and_fails(monkeypatch, tmp_path, capsys):
    def stop(out, session):
        raise OutOfTimeError("blip: 3 of 9 steps; the same command goes on")

    monkeypatch.setitem(build.BUILDERS, "blip", stop)
    with pytest.raises(SystemExit, match="1"):
        _run(monkeypatch, "--only", "blip", "--minutes", "0.1")
    assert capsys.readouterr().err == "blip: 3 of 9 steps; the same command goes on\n"


def test_an_unknown_model_is_refused(monkeypatch, capsys):
    with pytest.raises(SystemExit, match="2"):
        _run(monkeypatch, "--only", "gan")
    assert "invalid choice" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["blip", "clip"])
def test_each_builder_trains_measures_and_writes_the_card(name, monkeypatch, tmp_path):
    (tmp_path / name).mkdir()
    module = {"blip": build.train_blip, "clip": build.train_clip}[name]
    monkeypatch.setattr(module, "build", lambda target, session: ("model", "tokenizer"))
    monkeypatch.setattr(build.measures, name, lambda model, tokenizer: {"measure": 0.5})
    build.BUILDERS[name](tmp_path, build.Session(tmp_path))
    assert "| measure | 0.5 |" in (tmp_path / name / "README.md").read_text()


@pytest.mark.parametrize(("layers", "width"), [(32, 40), (40, 64), (60, 40)])
def test_each_language_model_is_built_in_its_own_depth_and_described_so(layers, width, monkeypatch, tmp_path):
    name = f"llama-{layers}"
    (tmp_path / name).mkdir()
    asked = {}

    def train(folder, session, **options):
        asked.update(options, folder=folder)
        return "model", "tokenizer"

    monkeypatch.setattr(build.train_llama, "build", train)
    monkeypatch.setattr(build.measures, "llama", lambda model, tokenizer: {"measure": 0.5})
    build.BUILDERS[name](tmp_path, build.Session(tmp_path))
    plan = build.train_llama.PLANS[layers]
    assert asked == {"folder": tmp_path / name, "layers": layers, "width": width, "plan": plan}
    card = (tmp_path / name / "README.md").read_text()
    assert all(text in card for text in (f"{layers} layers", f"width {width}", f"--only {name}", "| measure | 0.5 |"))


def test_the_cartoon_builder_measures_its_own_style(monkeypatch, tmp_path):
    (tmp_path / "cartoon").mkdir()
    built = []
    monkeypatch.setattr(
        build.train_diffusion, "build_cartoon", lambda *folders_and_session: built.append(folders_and_session) or PARTS
    )
    monkeypatch.setattr(build.style_measures, "autoencoder", lambda vae, style: {f"{vae}_{style}": 0.1})
    monkeypatch.setattr(build.style_measures, "oracle", lambda style: {f"oracle_{style}": 0.99})
    monkeypatch.setattr(build.measures, "diffusion", lambda given: {"complex_all_right": 0.2})
    session = build.Session(tmp_path)
    build.build_cartoon(tmp_path, session)
    assert built == [(tmp_path / "cartoon", tmp_path / "diffusion", session)]
    card = (tmp_path / "cartoon" / "README.md").read_text()
    plan = build.train_diffusion.CARTOON_PLANS.unet
    assert all(figure in card for figure in ("vae_cartoon", "oracle_cartoon", "complex_all_right"))
    assert f"| U-Net | {plan.steps} |" in card


@pytest.mark.parametrize("kind", ["edges", "segments"])
def test_each_controlnet_builder_trains_on_the_saved_diffusion_model(kind, monkeypatch, tmp_path):
    name = f"controlnet-{kind}"
    (tmp_path / name).mkdir()
    built = []
    monkeypatch.setattr(
        build.train_controlnet,
        "build",
        lambda *arguments, begun: built.append((*arguments, begun)) or ("model", "parts"),
    )
    monkeypatch.setattr(build.control_measures, "controlnet", lambda kind, model, parts: {f"{kind}_places_right": 0.5})
    session = build.Session(tmp_path)
    build.BUILDERS[name](tmp_path, session)
    begun = tmp_path / "controlnet-segments" if kind == "edges" else None  # edges alone are ignored for long
    assert built == [(kind, tmp_path / name, tmp_path / "diffusion", session, begun)]
    card = (tmp_path / name / "README.md").read_text()
    assert f"# ControlNet for {kind}" in card
    assert f"| {kind}_places_right | 0.5 |" in card


def test_the_diffusion_builder_measures_all_its_parts(monkeypatch, tmp_path):
    (tmp_path / "diffusion").mkdir()
    monkeypatch.setattr(build.train_diffusion, "build", lambda target, session: (PARTS, "reader"))
    monkeypatch.setattr(build.measures, "autoencoder", lambda vae: {"squared_error": 0.1})
    monkeypatch.setattr(build.measures, "text_encoder", lambda reader, tokenizer: {"complex_prompts_read": 1.0})
    monkeypatch.setattr(build.measures, "diffusion", lambda given: {"complex_all_right": 0.2})
    monkeypatch.setattr(build.judge_measures, "oracle", lambda: {"oracle_all_right": 0.99})
    monkeypatch.setattr(build.judge_measures, "quality_score", lambda: {"quality_spearman_blur": 0.9})
    monkeypatch.setattr(build.judge_measures, "quality_decoded", lambda given: {"quality_decoded": 0.7})
    degraded = {"oracle_blur_1_all_right": 0.9, "oracle_blur_1_action_right": 0.8}
    monkeypatch.setattr(build.judge_measures, "oracle_degraded", lambda given: degraded)
    build.build_diffusion(tmp_path, build.Session(tmp_path))
    card = (tmp_path / "diffusion" / "README.md").read_text()
    measured = (
        "squared_error",
        "complex_prompts_read",
        "complex_all_right",
        "quality_spearman_blur",
        "quality_decoded",
    )
    for figure in measured:
        assert figure in card
    assert "oracle_all_right" in card
    assert "blur_1_all_right" in card
    assert "blur_1_action_right" not in card


def test_a_card_says_steps_batch_rate_and_seed_of_each_part():
    text = cards.card("clip", {"b": 1.0, "a": 0.25}, {"both towers": Plan(steps=8, batch_size=16, seed=3)})
    assert "| both towers | 8 | 16 | 0.001 | 3 |" in text
    assert text.index("| a | 0.25 |") < text.index("| b | 1 |")
