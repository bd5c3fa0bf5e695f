import shutil
import subprocess
from types import SimpleNamespace

from pipeline import doctor
from pipeline.errors import SettingError


def good():
    return None


def test_this_machine_can_be_examined():
    findings = {finding.what: finding for finding in doctor.examine(good)}
    assert findings["python"].good
    assert findings["diffusers"].good
    assert findings["params.yaml"].good


def test_faults_are_told_with_what_to_do(monkeypatch):
    def bad():
        raise SettingError("a is wrong\nb is wrong")

    monkeypatch.setattr(doctor, "LIBRARIES", ("nosuchlibrary",))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1e9))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=128))
    findings = {finding.what: finding for finding in doctor.examine(bad)}
    assert not findings["nosuchlibrary"].good
    assert "make setup" in findings["nosuchlibrary"].text
    assert not findings["disk"].good
    assert "git config" in findings["git"].text
    assert findings["params.yaml"].text == "a is wrong; b is wrong"


def test_a_graphics_card_is_named(monkeypatch):
    card = SimpleNamespace(name="Card", total_memory=24 * 2**30)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: card)
    assert [finding.text for finding in doctor.examine(good) if finding.what == "accelerator"] == ["Card, 24 GiB"]
