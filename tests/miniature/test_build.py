import pytest

from miniature import build, cards
from miniature.training import OutOfTimeError, Plan


def _run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["build", *arguments])
    build.main()


def test_only_the_models_asked_for_are_made(monkeypatch, tmp_path):
    made = []
    for name in build.BUILDERS:
        monkeypatch.setitem(
            build.BUILDERS, name, lambda out, session, name=name: made.append((name, out, session.until))
        )
    _run(monkeypatch, "--only", "llama", "blip", "--out", str(tmp_path))
    assert made == [("llama", tmp_path, float("inf")), ("blip", tmp_path, float("inf"))]


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


@pytest.mark.parametrize("name", ["blip", "clip", "llama"])
def test_each_builder_trains_measures_and_writes_the_card(name, monkeypatch, tmp_path):
    folder = tmp_path / ("llama-40" if name == "llama" else name)
    folder.mkdir()
    module = {"blip": build.train_blip, "clip": build.train_clip, "llama": build.train_llama}[name]
    monkeypatch.setattr(module, "build", lambda target, session: ("model", "tokenizer"))
    monkeypatch.setattr(build.measures, name, lambda model, tokenizer: {"measure": 0.5})
    build.BUILDERS[name](tmp_path, build.Session(tmp_path))
    assert "| measure | 0.5 |" in (folder / "README.md").read_text()


def test_the_diffusion_builder_measures_all_its_parts(monkeypatch, tmp_path):
    (tmp_path / "diffusion").mkdir()
    parts = {"vae": "vae", "tokenizer": "tokenizer"}
    monkeypatch.setattr(build.train_diffusion, "build", lambda target, session: (parts, "reader"))
    monkeypatch.setattr(build.measures, "autoencoder", lambda vae: {"squared_error": 0.1})
    monkeypatch.setattr(build.measures, "text_encoder", lambda reader, tokenizer: {"complex_prompts_read": 1.0})
    monkeypatch.setattr(build.measures, "diffusion", lambda given: {"complex_all_right": 0.2})
    monkeypatch.setattr(build.measures, "oracle", lambda: {"oracle_all_right": 0.99})
    build.build_diffusion(tmp_path, build.Session(tmp_path))
    card = (tmp_path / "diffusion" / "README.md").read_text()
    assert all(figure in card for figure in ("squared_error", "complex_prompts_read", "complex_all_right", "oracle_"))


def test_a_card_says_steps_batch_rate_and_seed_of_each_part():
    text = cards.card("clip", {"b": 1.0, "a": 0.25}, {"both towers": (Plan(steps=8, seed=3), 16)})
    assert "| both towers | 8 | 16 | 0.001 | 3 |" in text
    assert text.index("| a | 0.25 |") < text.index("| b | 1 |")
