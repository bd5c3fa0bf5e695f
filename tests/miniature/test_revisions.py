from miniature import revisions
from pipeline.model_folders import folder_digest


def test_settings_name_the_content_of_the_folders(tmp_path):
    models = tmp_path / "models"
    (models / "blip").mkdir(parents=True)
    (models / "blip" / "config.json").write_text("{}")
    settings = tmp_path / "params.yaml"
    before = f"blip:\n  model: {models}/blip\n  revision: old\n  beams: 3  # kept\nclip:\n  model: a/b\n  revision: x\n"
    before += f"rows:\n- set:\n    llm.model: {models}/blip\n    llm.revision: old\n"
    settings.write_text(before)
    revisions.main(models, [settings])
    assert settings.read_text() == before.replace("old", folder_digest(models / "blip"))
    assert (models / "blip" / "REVISION").read_text().strip() == folder_digest(models / "blip")


def test_a_digest_that_looks_like_a_number_stays_text(tmp_path, monkeypatch):
    (tmp_path / "models" / "blip").mkdir(parents=True)
    (tmp_path / "params.yaml").write_text(f"blip:\n  model: {tmp_path}/models/blip\n  revision: old\n")
    for digest in ("1234567890123456", "12345678901234e6"):
        monkeypatch.setattr(revisions, "write_revision", lambda _, digest=digest: digest)
        revisions.main(tmp_path / "models", [tmp_path / "params.yaml"])
        assert f"revision: '{digest}'" in (tmp_path / "params.yaml").read_text()
