import pytest
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from pipeline.captioning import BlipParams
from pipeline.model_folders import write_revision
from tests.pipeline.frozen_models import blip_folder
from tests.pipeline.lavis import stand_in


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A tiny BLIP whose processor leaves grey levels what they are, from 0 to 1."""
    folder = tmp_path_factory.mktemp("blip")
    blip_folder(folder)
    plain = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    BlipImageProcessorPil(size={"height": 16, "width": 16}, **plain).save_pretrained(folder)
    return str(folder), write_revision(folder)


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    return stand_in.write(tmp_path_factory.mktemp("lavis"))


@pytest.fixture(scope="session")
def params(model):
    def make(**changes):
        values = {"backend": "lavis", "dtype": "float32", "prompt": "", "repetition_penalty": 1.0}
        values |= {"decoding": "beam", "beams": 2, "top_p": None, "seed": None, "min_length": 4, "max_length": 8}
        return BlipParams(model=model[0], revision=model[1], **values | changes)

    return make
