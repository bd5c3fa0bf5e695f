"""Train the diffusion model's parts, one after another, and save them as one Stable Diffusion folder."""

from pathlib import Path
from typing import Any

from miniature import saving, train_text_encoder, train_unet, train_vae
from miniature.training import Session


def build(folder: Path, session: Session) -> tuple[dict[str, Any], train_text_encoder.Reader]:
    """Train autoencoder, text encoder, then the U-Net on what the two say, and save them into `folder`.

    Returns:
        The parts by the names of the pipeline, and the text encoder's reader with its heads.
    """
    vae = train_vae.build(session)
    reader, tokenizer = train_text_encoder.build(session)
    encoder = reader.encoder.requires_grad_(False)
    unet = train_unet.build(lambda: train_unet.prepare(vae, encoder, tokenizer), session)
    parts = {"vae": vae, "text_encoder": encoder, "tokenizer": tokenizer, "unet": unet}
    saving.save_diffusion(folder, parts)
    return parts, reader
