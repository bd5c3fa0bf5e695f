"""Section ``sources`` of params.yaml: which sites are scraped, how far and how fast."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.params import Section
from pipeline.sources import civitai, lexica, stable_diffusion_online
from pipeline.sources.civitai import CivitaiParams
from pipeline.sources.lexica import LexicaParams
from pipeline.sources.stable_diffusion_online import StableDiffusionOnlineParams

SourceName = Literal["lexica", "civitai", "stable_diffusion_online"]
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


class SourcesParams(Section):
    """Section ``sources`` of params.yaml."""

    enabled: Annotated[tuple[SourceName, ...], Field(strict=False, min_length=1)]
    """Sites to scrape; one that is taken out leaves the data at the next ``dvc repro``."""

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
    def _each_once(self) -> Self:
        if len(set(self.enabled)) != len(self.enabled):
            raise ValueError("enabled names a source twice")
        return self

    def site(self, name: SourceName) -> SiteParams:
        """The settings of one source."""
        match name:
            case "lexica":
                return self.lexica
            case "civitai":
                return self.civitai
            case "stable_diffusion_online":
                return self.stable_diffusion_online
