"""Section ``sources`` of params.yaml: which sites are scraped, how far and how fast, and what is imported."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, ConfigDict, Field, InstanceOf, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from pipeline.params import Section
from pipeline.sources import civitai, lexica, stable_diffusion_online
from pipeline.sources.civitai import CivitaiParams
from pipeline.sources.imports import kinds
from pipeline.sources.imports.importing import ImportParams
from pipeline.sources.imports.kinds import AnyImport
from pipeline.sources.lexica import LexicaParams
from pipeline.sources.stable_diffusion_online import StableDiffusionOnlineParams

SourceName = Literal["lexica", "civitai", "stable_diffusion_online"]
SITES: dict[str, SourceName] = {name: name for name in get_args(SourceName)}
SITE_HOSTS: dict[SourceName, tuple[str, ...]] = {
    "lexica": lexica.SITE_HOSTS,
    "civitai": civitai.SITE_HOSTS,
    "stable_diffusion_online": stable_diffusion_online.SITE_HOSTS,
}
IMAGE_HOSTS: dict[SourceName, tuple[str, ...]] = {
    "lexica": lexica.IMAGE_HOSTS,
    "civitai": civitai.IMAGE_HOSTS,
    "stable_diffusion_online": stable_diffusion_online.IMAGE_HOSTS,
}
SiteParams = LexicaParams | CivitaiParams | StableDiffusionOnlineParams
EnabledName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
"""A site's name, or the name of an import's section."""


class SourcesParams(Section):
    """Section ``sources`` of params.yaml.

    Beside the keys below, every further key is an import: a section of a name of your own with a ``kind``
    (:mod:`pipeline.sources.imports.kinds`), read when ``enabled`` names it.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[InstanceOf[ImportParams], BeforeValidator(kinds.settings)]]

    enabled: Annotated[tuple[EnabledName, ...], Field(strict=False, min_length=1)]
    """Sites to scrape and imports to read; one that is taken out leaves the data at the next ``dvc repro``."""

    contact: str | None = Field(pattern=r"^(https://\S+|\S+@\S+)$")
    """Page or mail address in the user agent, so that a site can reach whoever runs this; null names nobody."""

    author_salt: str = Field(min_length=1)
    """Key of the hash that stands for an author's name. Choose your own before scraping real sites."""

    timeout_s: float = Field(gt=0.0, le=600.0)
    """Seconds for one request to a site in all."""

    attempts: int = Field(ge=1, le=20)
    """Attempts at one address of a site; between them a random wait that grows to 60 s."""

    lexica: LexicaParams
    civitai: CivitaiParams
    stable_diffusion_online: StableDiffusionOnlineParams

    @model_validator(mode="after")
    def _each_known_and_once(self) -> Self:
        faults = []
        for place, name in enumerate(self.enabled):
            if name not in SITES and name not in self.imports:
                known = ", ".join([*SITES, *self.imports])
                faults.append(
                    _fault(place, name, f"Input should be a site, or an import with a section here ({known})")
                )
            if name in self.enabled[:place]:
                faults.append(_fault(place, name, "Input should be named once"))
        if faults:
            raise ValidationError.from_exception_data("sources", faults)
        return self

    @property
    def imports(self) -> dict[str, AnyImport]:
        """The settings of all imports by their names, enabled or not."""
        extra: dict[str, Any] = self.__pydantic_extra__
        return dict(extra)

    @property
    def enabled_sites(self) -> list[SourceName]:
        """The sites among the enabled sources, in their order."""
        return [SITES[name] for name in self.enabled if name in SITES]

    @property
    def enabled_imports(self) -> dict[str, AnyImport]:
        """The imports among the enabled sources, in their order."""
        return {name: self.imports[name] for name in self.enabled if name not in SITES}

    @property
    def image_hosts(self) -> list[str]:
        """The hosts that pictures of the enabled sources may come from; no other is asked."""
        of_sites = [host for name in self.enabled_sites for host in IMAGE_HOSTS[name]]
        return of_sites + [host for one in self.enabled_imports.values() for host in one.image_hosts]

    @property
    def servers(self) -> dict[str, str | None]:
        """For each enabled site the setting that names its stand-in, and the module; None is the real site."""
        return {f"sources.{name}.serve": self.site(name).serve for name in self.enabled_sites}

    def site(self, name: SourceName) -> SiteParams:
        """The settings of one site."""
        match name:
            case "lexica":
                return self.lexica
            case "civitai":
                return self.civitai
            case "stable_diffusion_online":
                return self.stable_diffusion_online


def _fault(place: int, name: str, message: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("source", message), loc=("enabled", place), input=name)
