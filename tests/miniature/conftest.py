"""An untrained diffusion model, saved as the builder saves a trained one."""

import pytest
import torch

from miniature import architectures, saving, vocabulary


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    torch.manual_seed(0)
    tokenizer = vocabulary.clip_tokenizer()
    vae, unet = architectures.vae(), architectures.unet()
    vae.register_to_config(scaling_factor=0.5)
    parts = {"vae": vae, "text_encoder": architectures.text_encoder(tokenizer), "tokenizer": tokenizer, "unet": unet}
    folder = tmp_path_factory.mktemp("models") / "diffusion"
    saving.save_diffusion(folder, parts)
    return folder
