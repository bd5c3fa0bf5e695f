from bench import pictures
from pipeline.images import decode


def test_made_up_downloads_are_as_large_as_renditions():
    content = pictures.jpeg(1)
    assert decode(content).size == (512, 768)
    assert 100_000 < len(content) < 300_000  # what Civitai's renditions have
    assert content == pictures.jpeg(1) != pictures.jpeg(2)


def test_figures_are_kept(monkeypatch, capsys):
    kept = {}
    monkeypatch.setattr(pictures, "HASHED", 2**20)
    monkeypatch.setattr(pictures.results, "save", kept.setdefault)
    pictures.main(1)
    assert set(kept) == {"pictures"}
    assert min(kept["pictures"].values()) >= 0
    assert kept["pictures"]["encode_ms"] > kept["pictures"]["square_ms"]
    assert "decode_ms" in capsys.readouterr().out
