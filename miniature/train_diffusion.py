"""Train the diffusion model's parts, one after another, and save them as one Stable Diffusion folder.

The cartoon model has an autoencoder and a U-Net of its own, which learn in the same way from cartoon drawings; like the
fine-tuned models of Stable Diffusion it shares the text encoder of the main one.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from miniature import saving, train_everyday, train_text_encoder, train_unet, train_vae
from miniature.training import Plan, Session, digest_of
from miniature.variants import CARTOON, MAIN, Variant


@dataclass(frozen=True)
class Plans:
    """How long each part trains, and on how many cached pictures the U-Net does."""

    vae: Plan = train_vae.PLAN
    decoder: Plan = train_vae.DECODER_PLAN
    unet: Plan = train_unet.PLAN
    pictures: int = train_unet.PICTURES


PLANS = Plans()
CARTOON_PLANS = Plans(
    vae=replace(train_vae.PLAN, steps=4_000), unet=replace(train_unet.PLAN, steps=8_000), pictures=24_000
)


def build(
    folder: Path,
    session: Session,
    *,
    plans: Plans = PLANS,
    text_plan: Plan = train_text_encoder.PLAN,
    everyday_plan: Plan = train_everyday.PLAN,
) -> tuple[dict[str, Any], train_text_encoder.Reader]:
    """Train the text encoder, the autoencoder, then the U-Net on what the two say, and save them into `folder`.

    The text encoder learns everyday language last, beside the U-Net, which never sees that.

    Returns:
        The parts by the names of the pipeline, and the text encoder's reader with its heads.
    """
    reader, tokenizer = train_text_encoder.build(session, plan=text_plan)
    encoder = reader.encoder.requires_grad_(False)
    parts = _parts(encoder, tokenizer, session, MAIN, plans)
    train_everyday.build(reader, tokenizer, session, plan=everyday_plan)
    saving.save_diffusion(folder, parts)
    return parts, reader


def build_cartoon(folder: Path, base: Path, session: Session, *, plans: Plans = CARTOON_PLANS) -> dict[str, Any]:
    """Train the cartoon model with the text encoder of the saved diffusion model in `base`, save it into `folder`.

    Raises:
        MissingModelError: there is no model in `base`.
    """
    read = saving.load_diffusion(base)
    parts = _parts(read["text_encoder"], read["tokenizer"], session, CARTOON, plans)
    saving.save_diffusion(folder, parts)
    return parts


def _parts(encoder: Any, tokenizer: Any, session: Session, variant: Variant, plans: Plans) -> dict[str, Any]:
    """Autoencoder and U-Net of a variant beside the text encoder that is given."""
    vae = train_vae.build(session, variant=variant, plan=plans.vae)
    inputs = digest_of(vae.encoder.state_dict()) + digest_of(encoder.state_dict())
    if plans.pictures != train_unet.PICTURES:
        inputs += f" {plans.pictures} pictures"

    def make_cache() -> train_unet.Cache:
        return train_unet.prepare(vae, encoder, tokenizer, style=variant.style, count=plans.pictures)

    unet = train_unet.build(make_cache, session, variant=variant, plan=plans.unet, inputs=inputs)
    train_vae.sharpen(vae, session, variant=variant, plan=plans.decoder)
    return {"vae": vae, "text_encoder": encoder, "tokenizer": tokenizer, "unet": unet}
