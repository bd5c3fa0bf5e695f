import shutil
import subprocess
import sys
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


def test_a_machine_without_git_is_told_so(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    (git,) = [finding for finding in doctor.examine(good) if finding.what == "git"]
    assert not git.good
    assert git.text.startswith("not installed: ")


def test_libraries_that_do_not_go_together_are_told_whatever_they_raise(monkeypatch):
    def mismatched(name):
        raise RuntimeError(f"operator {name}::nms does not exist\nand more")

    monkeypatch.setattr(doctor.importlib, "import_module", mismatched)
    (finding,) = [finding for finding in doctor.examine(good) if finding.what == "torchvision"]
    assert not finding.good
    assert finding.text == "cannot be imported (operator torchvision::nms does not exist): make setup installs it"


def test_without_torch_no_accelerator_is_known(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(doctor, "LIBRARIES", ())
    assert [each.text for each in doctor.examine(good) if each.what == "accelerator"] == ["not known without torch"]


def test_a_graphics_card_is_named(monkeypatch):
    card = SimpleNamespace(name="Card", total_memory=24 * 2**30)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: card)
    assert [finding.text for finding in doctor.examine(good) if finding.what == "accelerator"] == ["Card, 24 GiB"]
