import inspect
import json
import re
from collections import Counter
from dataclasses import replace

import pytest
from huggingface_hub import DatasetCard, DatasetCardData
from ruamel.yaml import YAML

from pipeline.dataset_card import Card, Origin, render, render_licences, with_features
from pipeline.samples import SURD

FUNNEL = [("clean", {"in": 1200, "out": 1100, "dropped": {"near_duplicate": 90, "broken": 10}})]


def card(count=1234):
    origins = Counter({LEXICA: count - 34, CIVITAI: 30, replace(CIVITAI, licence_url="https://civitai.com/old"): 4})
    splits = Counter(train=count - 4, val=4)
    funnel = [*FUNNEL, ("caption", {"in": 5, "out": 5, "dropped": {}})]
    return Card(512, origins, splits, {"sample_id": "stable id: source | own id"}, funnel)


LEXICA = Origin("lexica", "CC0", "https://lexica.art/terms", "documented API")
CIVITAI = Origin("civitai", "as stated", "https://civitai.com/content/tos", "public API")


def header(text):
    return YAML(typ="safe").load(text.split("---\n")[1])


def test_the_header_is_yaml_that_the_hub_reads():
    told = header(render(card()))
    assert told["license"] == "other"
    assert told["license_name"] == "as-stated-by-each-source"
    assert told["license_link"] == "LICENSE.md"
    assert told["task_categories"] == ["text-to-image"]
    assert told["configs"] == [{"config_name": "default", "data_files": "parts/*.parquet"}]


def test_the_header_has_the_hubs_own_fields_and_words():
    told = DatasetCard(render(card())).data
    known = set(inspect.signature(DatasetCardData.__init__).parameters) | {
        "license_name",
        "license_link",
        "tags",
        "configs",
    }
    assert set(told.to_dict()) <= known
    words = {"found", "crowdsourced", "expert-generated", "machine-generated", "no-annotation", "other"}
    assert {*told.annotations_creators, *told.language_creators} <= words
    assert told.source_datasets == ["original"]
    assert told.multilinguality == ["monolingual"]


def test_the_card_has_the_sections_of_the_hubs_template():
    titles = re.findall(r"^## (.+)$", render(card()), re.MULTILINE)
    assert titles == [
        "Uses",
        "Structure",
        "Where the samples come from",
        "How it was made",
        "Personal and sensitive information",
        "Biases and limits",
        "Citation",
        "Removing a sample",
    ]


def test_licences_say_where_they_stand():
    text = render_licences(card())
    assert "| lexica | CC0 | https://lexica.art/terms | documented API | 1,200 |" in text
    assert "| civitai | as stated | https://civitai.com/old | public API | 4 |" in text


SIZES = {999: "n<1K", 1000: "1K<n<10K", 57_603: "10K<n<100K", 2_000_000: "1M<n<10M", 14_000_000: "10M<n<100M"}


@pytest.mark.parametrize(("count", "size"), SIZES.items())
def test_the_size_category_follows_the_count(count, size):
    assert header(render(card(count)))["size_categories"] == [size]


def test_the_card_tells_origin_funnel_and_removal():
    text = render(card())
    assert "| lexica | CC0 | 1,200 |" in text
    assert "| clean | 1,200 | 1,100 | broken 10, near_duplicate 90 |" in text
    assert "| caption | 5 | 5 | none |" in text
    assert "Splits: train 1,230, val 4." in text
    assert "512 x 512 px" in text
    assert "| civitai | as stated | 34 |" in text
    assert "| sample_id | stable id: source / own id |" in text
    assert "sur takedown" in text
    assert "arXiv:2305.05189" in text


def test_the_schema_tells_hugging_face_what_each_column_is():
    """The shape that datasets 5.2.0 itself writes for these features."""
    schema = with_features(SURD)
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == SURD.names
    assert features["image"] == {"_type": "Image"}
    assert features["sample_id"] == {"dtype": "string", "_type": "Value"}
    assert features["crop_box"] == {"feature": {"dtype": "int32", "_type": "Value"}, "length": 4, "_type": "List"}
    assert schema.types == SURD.types
    assert [field.name for field in schema if field.nullable] == ["image"]  # else datasets leaves it as bytes
