"""Which kinds of imports there are: their settings by the key ``kind``, and reading one."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from pipeline.sources.imports import diffusiondb, image_folder, parquet_table, png_folder
from pipeline.sources.imports.diffusiondb import DiffusionDbParams
from pipeline.sources.imports.image_folder import ImageFolderParams
from pipeline.sources.imports.importing import records
from pipeline.sources.imports.parquet_table import ParquetTableParams
from pipeline.sources.imports.png_folder import PngFolderParams
from pipeline.sources.record import Walk

AnyImport = DiffusionDbParams | ImageFolderParams | ParquetTableParams | PngFolderParams
KINDS: dict[str, type[AnyImport]] = {
    "diffusiondb": DiffusionDbParams,
    "image_folder": ImageFolderParams,
    "parquet": ParquetTableParams,
    "png_folder": PngFolderParams,
}


def settings(value: Any) -> AnyImport:
    """The settings of an import, by their kind.

    Raises:
        ValidationError: there is no such kind, or a setting is wrong.
        PydanticCustomError: this is no section at all: the key is a misspelt setting.
    """
    if not isinstance(value, Mapping):
        raise PydanticCustomError("extra_forbidden", "is no setting and no import")
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        wrong = PydanticCustomError("kind", f"Input should be one of {', '.join(KINDS)}")
        details = InitErrorDetails(type=wrong, loc=("kind",), input=kind)
        raise ValidationError.from_exception_data("import", [details])
    return KINDS[kind].model_validate(value)


def walk(name: str, config: AnyImport, salt: str) -> Walk:
    """The records of one import.

    Raises:
        InputError: its folder or one of its tables cannot be read.
    """
    match config:
        case DiffusionDbParams():
            found = diffusiondb.entries(name, config)
        case ImageFolderParams():
            found = image_folder.entries(name, config)
        case ParquetTableParams():
            found = parquet_table.entries(name, config)
        case PngFolderParams():
            found = png_folder.entries(name, config)
    return records(name, config, found, salt)
