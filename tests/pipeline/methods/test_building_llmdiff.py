import pytest

from pipeline.errors import SettingError
from pipeline.methods.building import build
from pipeline.sampling import Denoising
from tests.pipeline import tiny_models
from tests.pipeline.adapters.test_llmdiff import made


@pytest.mark.parametrize("name", ["canny", "seg"])
def test_a_controlnet_that_hears_text_states_is_refused_to_llmdiff(name):
    model = tiny_models.load()
    with pytest.raises(SettingError, match=rf"^sample\.methods: {name} hears text states"):
        build(name, None, Denoising(2, 3.0, "ddim"), model, made(model.unet))
