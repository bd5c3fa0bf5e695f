from pathlib import Path

import pytest

from pipeline import params
from pipeline.errors import SettingError
from pipeline.sources.settings import IMAGE_HOSTS, SITE_HOSTS, SITES, SourcesParams

PARAMS = Path(__file__).parents[3] / "params.yaml"
TEXT = """
sources:
  enabled: [lexica, civitai]
  contact: a@b.example
  author_salt: salt
  timeout_s: 30.0
  attempts: 5
  lexica: {serve: little.site, queries: [star], infinite_prompts: null, max_records: 10, requests_per_s: 1.0}
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
IMPORT = (
    "{kind: png_folder, path: pictures, revision: a, access_basis: my own, licence: CC0-1.0, max_records: 10, "
    "licence_url: https://a.example/l, page_url: https://a.example}"
)

TABLE = (
    IMPORT.replace("png_folder", "parquet")[:-1]
    + ", columns: {prompt: p}, image: {column: u, holds: url, hosts: [pictures.example]}}"
)


def _load(tmp_path, old="", new=""):
    assert old in TEXT
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(old, new, 1))
    return params.load(SourcesParams, "sources", path)


def test_the_settings_in_force_are_accepted():
    assert params.load(SourcesParams, "sources", PARAMS).enabled


def test_each_source_has_its_own_settings(tmp_path):
    config = _load(tmp_path)
    assert [type(config.site(name)).__name__ for name in SITES] == [
        "LexicaParams",
        "CivitaiParams",
        "StableDiffusionOnlineParams",
    ]


def test_every_source_has_its_hosts():
    assert set(SITE_HOSTS) == set(IMAGE_HOSTS) == set(SITES)


def test_no_contact_is_allowed(tmp_path):
    assert _load(tmp_path, "a@b.example", "null").contact is None


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("[lexica, civitai]", "[]", r"sources\.enabled"),
        ("[lexica, civitai]", "[lexica, lexica]", r"sources\.enabled\.1 should be named once, got 'lexica'"),
        ("[lexica, civitai]", "[lexicon]", r"sources\.enabled\.0 should be a site, or an import with a section here"),
        ("[lexica, civitai]", "[../x]", r"sources\.enabled\.0 should match pattern"),
        (
            "  attempts: 5",
            "  attempts: 5\n  contacts: 5",
            r"sources\.contacts is not a setting; did you mean contact\?",
        ),
        (
            "  attempts: 5",
            "  attempts: 5\n  mine: {kind: folder}",
            r"sources\.mine\.kind should be one of diffusiondb, ",
        ),
        ("  attempts: 5", "  attempts: 5\n  mine: {path: a}", r"sources\.mine\.kind should be one of .*, got None"),
        ("  attempts: 5", "  attempts: 5\n  mine: {kind: png_folder}", r"sources\.mine\.access_basis is missing"),
        (
            "  attempts: 5",
            f"  attempts: 5\n  mine: {IMPORT[:-1]}, colour: 1}}",
            r"sources\.mine\.colour is not a setting",
        ),
        ("  attempts: 5", f"  attempts: 5\n  mine: {IMPORT.replace('10', '0')}", r"sources\.mine\.max_records"),
        ("little.site", "little/site", r"sources\.lexica\.serve"),
        ("page_size: 100", "page_size: 500", r"sources\.civitai\.page_size"),
        ("a@b.example", "me", r"sources\.contact"),
        ("max_records: 10", "max_records: 0", r"sources\.lexica\.max_records"),
        ("prompts: null", "prompts: {model: a}", r"sources\.lexica\.infinite_prompts\.image_base is missing"),
        (
            "prompts: null",
            "prompts: {model: a, image_base: 'https://x.example/a'}",
            "must be an https address on image",
        ),
        (
            "  attempts: 5",
            f"  attempts: 5\n  mine: {TABLE.replace('prompt: p', 'seed: p')}",
            r"sources\.mine\.columns must name the column of the field prompt",
        ),
        (
            "  attempts: 5",
            f"  attempts: 5\n  mine: {TABLE.replace('prompt: p', 'words: p')}",
            r"sources\.mine\.columns\.words",
        ),
        ("queries: [star]", "queries: []", r"sources\.lexica\.queries"),
    ],
)
def test_a_wrong_value_is_told_by_its_key(tmp_path, old, new, line):
    with pytest.raises(SettingError, match=line):
        _load(tmp_path, old, new)


def test_a_section_of_another_name_is_an_import(tmp_path):
    config = _load(tmp_path, "[lexica, civitai]", f"[civitai, mine]\n  mine: {IMPORT}")
    assert config.enabled_sites == ["civitai"]
    assert config.servers == {"sources.civitai.serve": None}
    assert [type(one).__name__ for one in config.enabled_imports.values()] == ["PngFolderParams"]
    assert config.image_hosts == list(IMAGE_HOSTS["civitai"])


def test_an_import_that_is_not_enabled_is_not_read_but_checked(tmp_path):
    config = _load(tmp_path, "  attempts: 5", f"  attempts: 5\n  mine: {IMPORT}")
    assert (list(config.imports), config.enabled_imports) == (["mine"], {})


def test_an_imports_own_picture_hosts_are_allowed(tmp_path):
    config = _load(tmp_path, "[lexica, civitai]", f"[mine]\n  mine: {TABLE}")
    assert config.image_hosts == ["pictures.example"]
