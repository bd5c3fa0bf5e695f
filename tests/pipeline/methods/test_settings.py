import pytest
from pydantic import ValidationError

from pipeline.methods.settings import CannyParams
from tests.pipeline.methods import tiny_controlnet
from tests.pipeline.test_shots import config


@pytest.mark.parametrize("source", ["edges", "pictures"])
def test_files_need_a_folder(source):
    with pytest.raises(ValidationError, match="must name a folder in prompts/ with source: edges or pictures"):
        CannyParams(**tiny_controlnet.canny(source=source))


@pytest.mark.parametrize("source", ["base", "complex"])
def test_a_folder_that_is_not_read_is_refused(source):
    with pytest.raises(ValidationError, match="is read with source: edges or pictures only"):
        CannyParams(**tiny_controlnet.canny(source=source, folder="prompts/x"))


def test_a_method_is_named_once_and_one_at_least():
    with pytest.raises(ValidationError, match="names a method twice"):
        config(methods=["sag", "sag"])
    with pytest.raises(ValidationError):
        config(methods=[])
