import pytest

from pipeline.errors import SettingError
from pipeline.sources import access


def test_a_token_comes_from_the_environment_and_goes_to_the_real_site_alone(monkeypatch):
    monkeypatch.setenv("CIVITAI_TOKEN", " secret \n")
    assert access.to_site("civitai", {}).tokens == {"civitai.com": "secret"}
    assert access.to_site("civitai", {"civitai.com": "127.0.0.1:1"}).tokens == {}
    assert access.to_site("lexica", {}).tokens == {}
    assert access.to_pictures(["civitai.com", "image.civitai.com"], {}).tokens == {}


@pytest.mark.parametrize("value", [None, "", "  "])
def test_without_a_token_none_is_sent(monkeypatch, value):
    if value is None:
        monkeypatch.delenv("CIVITAI_TOKEN", raising=False)
    else:
        monkeypatch.setenv("CIVITAI_TOKEN", value)
    assert access.to_site("civitai", {}).tokens == {}


@pytest.mark.parametrize("value", ["se cret", "sécret", "sec\nret"])
def test_a_broken_token_is_told_without_its_value(monkeypatch, value):
    monkeypatch.setenv("CIVITAI_TOKEN", value)
    with pytest.raises(SettingError, match="CIVITAI_TOKEN holds characters") as caught:
        access.to_site("civitai", {})
    assert value not in str(caught.value)


def test_only_documented_addresses_are_outside_robots_txt():
    assert access.to_site("civitai", {}).documented == ("https://civitai.com/api/v1/",)
    assert access.to_site("stable_diffusion_online", {}).documented == ()
    assert access.to_pictures(["civitai.com"], {}).documented == ()
