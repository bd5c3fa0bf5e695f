import json
from collections import Counter

import pytest
from ruamel.yaml import YAML

from pipeline.dataset_card import Card, render, with_features
from pipeline.samples import SURD

FUNNEL = [("clean", {"in": 1200, "out": 1100, "dropped": {"near_duplicate": 90, "broken": 10}})]


def card(count=1234):
    sources = Counter({("lexica", "CC0"): count - 34, ("civitai", "as stated"): 34})
    return Card(
        512, sources, Counter(train=count - 4, val=4), [*FUNNEL, ("caption", {"in": 5, "out": 5, "dropped": {}})]
    )


def header(text):
    return YAML(typ="safe").load(text.split("---\n")[1])


def test_the_header_is_yaml_that_the_hub_reads():
    told = header(render(card()))
    assert told["license"] == "other"
    assert told["license_name"] == "CC0, as stated"
    assert told["task_categories"] == ["text-to-image"]
    assert told["configs"] == [{"config_name": "default", "data_files": "parts/*.parquet"}]


@pytest.mark.parametrize(
    ("count", "size"), [(999, "n<1K"), (1000, "1K<n<10K"), (57_603, "10K<n<100K"), (14_000_000, "n>1M")]
)
def test_the_size_category_follows_the_count(count, size):
    assert header(render(card(count)))["size_categories"] == [size]


def test_the_card_tells_origin_funnel_and_removal():
    text = render(card())
    assert "| lexica | CC0 | 1,200 |" in text
    assert "| clean | 1,200 | 1,100 | broken 10, near_duplicate 90 |" in text
    assert "| caption | 5 | 5 | none |" in text
    assert "Splits: train 1,230, val 4." in text
    assert "512 x 512 px" in text
    assert "takedown.txt" in text


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
