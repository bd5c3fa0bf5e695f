"""The miniature's two diffusion models: which style each draws, and how wide its parts are."""

from dataclasses import dataclass

from miniature.world import Style


@dataclass(frozen=True)
class Variant:
    """A drawing style and the sizes of the model that learns it; the text encoder is one for all."""

    style: Style
    vae_channels: tuple[int, ...] = (16, 32, 64, 64)
    """Of the autoencoder's four blocks; each of the first three halves the sides."""
    vae_groups: int = 8
    """Groups of the autoencoder's group normalisations; each width is a multiple of it.

    A group of one channel would take its mean away, and with it how bright the picture is.
    """
    unet_channels: tuple[int, ...] = (64, 128)
    unet_groups: int = 16
    """Groups of the U-Net's group normalisations; each width is a multiple of it."""

    def training(self, part: str) -> str:
        """The name of a part's training; the main model's parts go by their own."""
        return part if self == MAIN else f"{self.style}_{part}"


MAIN = Variant("flat")
CARTOON = Variant("cartoon", vae_channels=(16, 24, 32, 32), vae_groups=4, unet_channels=(40, 80), unet_groups=8)
