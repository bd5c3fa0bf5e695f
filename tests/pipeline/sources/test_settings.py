from pathlib import Path
from typing import get_args

import pytest

from pipeline import params
from pipeline.errors import SettingError
from pipeline.sources.settings import IMAGE_HOSTS, SITE_HOSTS, SourceName, SourcesParams

PARAMS = Path(__file__).parents[3] / "params.yaml"
TEXT = """
sources:
  enabled: [lexica, civitai]
  contact: a@b.example
  author_salt: salt
  timeout_s: 30.0
  attempts: 5
  lexica: {serve: little.site, queries: [star], max_records: 10, requests_per_s: 1.0}
  civitai:
    serve: null
    sort: Newest
    period: AllTime
    browsing_level: 1
    page_size: 100
    max_records: 10
    requests_per_s: 1.0
  stable_diffusion_online: {serve: null, start_urls: [https://a.example], max_records: 10, requests_per_s: 1.0}
"""


def _load(tmp_path, old="", new=""):
    assert old in TEXT
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(old, new, 1))
    return params.load(SourcesParams, "sources", path)


def test_the_settings_in_force_are_accepted():
    assert params.load(SourcesParams, "sources", PARAMS).enabled


def test_each_source_has_its_own_settings(tmp_path):
    config = _load(tmp_path)
    assert [type(config.site(name)).__name__ for name in get_args(SourceName)] == [
        "LexicaParams",
        "CivitaiParams",
        "StableDiffusionOnlineParams",
    ]


def test_every_source_has_its_hosts():
    assert set(SITE_HOSTS) == set(IMAGE_HOSTS) == set(get_args(SourceName))


def test_no_contact_is_allowed(tmp_path):
    assert _load(tmp_path, "a@b.example", "null").contact is None


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("[lexica, civitai]", "[]", r"sources\.enabled"),
        ("[lexica, civitai]", "[lexica, lexica]", "enabled names a source twice"),
        ("[lexica, civitai]", "[lexicon]", r"sources\.enabled\.0"),
        ("little.site", "little/site", r"sources\.lexica\.serve"),
        ("page_size: 100", "page_size: 500", r"sources\.civitai\.page_size"),
        ("a@b.example", "me", r"sources\.contact"),
        ("max_records: 10", "max_records: 0", r"sources\.lexica\.max_records"),
        ("queries: [star]", "queries: []", r"sources\.lexica\.queries"),
    ],
)
def test_a_wrong_value_is_told_by_its_key(tmp_path, old, new, line):
    with pytest.raises(SettingError, match=line):
        _load(tmp_path, old, new)
