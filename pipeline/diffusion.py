"""The frozen text-to-image model through diffusers: text states, the U-Net's word, and ready pipelines.

Loads Stable Diffusion 1.x and 2.x models (one CLIP text encoder) from a folder or the hub, part by part, all frozen and
in eval mode; no safety checker is looked for. The VAE has its own module, :mod:`pipeline.vae`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from pipeline.losses import Prediction
from pipeline.pretrained import opening
from pipeline.vae import Codec, DiffusionParams, frozen, load_codec

SchedulerName = Literal["ddim", "pndm", "dpm"]


@dataclass(frozen=True)
class Diffusion:
    """The frozen base model with all its parts."""

    codec: Codec
    tokenizer: Any
    text_encoder: Any
    unet: Any
    scheduler: Any
    """The model's own scheduler; training reads its noise levels."""
    alphas_cumprod: torch.Tensor
    """alpha_t squared by timestep, (timesteps,) float32."""

    @property
    def device(self) -> str:
        """Where the model lies."""
        return self.codec.device

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the frozen weights."""
        return self.codec.dtype

    @property
    def text_width(self) -> int:
        """Features of the text states: 768 in SD 1.x, 1024 in SD 2.x."""
        return int(self.unet.config.cross_attention_dim)

    @property
    def prediction(self) -> Prediction:
        """What the U-Net says: the noise, or the velocity."""
        return "v_prediction" if self.scheduler.config.prediction_type == "v_prediction" else "epsilon"

    @property
    def timesteps(self) -> int:
        """Number of training timesteps, 1000 in Stable Diffusion."""
        return len(self.alphas_cumprod)

    def _tokens(self, prompts: Sequence[str]) -> Any:
        length = self.tokenizer.model_max_length
        return self.tokenizer(
            list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )

    @torch.no_grad()
    def text_states(self, prompts: Sequence[str]) -> torch.Tensor:
        """Text states x = f_En(p), (batch, 77, width) in the model's dtype; longer prompts are cut at 77 tokens."""
        states: torch.Tensor = self.text_encoder(self._tokens(prompts).input_ids.to(self.device))[0]
        return states

    def own_tokens(self, prompts: Sequence[str]) -> torch.Tensor:
        """(batch, 77) int64: 1 at the prompt's own tokens, 0 at start, end and padding."""
        lengths = self._tokens(prompts).attention_mask.sum(dim=1, keepdim=True)
        positions = torch.arange(self.tokenizer.model_max_length).unsqueeze(0)
        own: torch.Tensor = (positions > 0) & (positions < lengths - 1)
        return own.long().to(self.device)

    def levels(self, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """alpha_t and sigma_t of Eq. 1, each (batch, 1, 1, 1) float32, alpha^2 + sigma^2 = 1."""
        squared = self.alphas_cumprod.to(timesteps.device)[timesteps].view(-1, 1, 1, 1)
        return squared.sqrt(), (1.0 - squared).sqrt()

    def predict(self, latents: torch.Tensor, timesteps: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """The U-Net's word, (batch, channels, height, width) float32; gradients flow to the condition.

        Args:
            latents: alpha_t z + sigma_t eps.
            timesteps: (batch,) int64.
            condition: (batch, tokens, width), c' or text states.
        """
        said = self.unet(latents.to(self.dtype), timesteps, encoder_hidden_states=condition.to(self.dtype))
        prediction: torch.Tensor = said.sample.float()
        return prediction

    def pipeline(self, scheduler: SchedulerName) -> Any:
        """A silent ``StableDiffusionPipeline`` of these parts with the named scheduler."""
        from diffusers import StableDiffusionPipeline

        made = StableDiffusionPipeline(
            vae=self.codec.vae,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            unet=self.unet,
            scheduler=sampler(self.scheduler.config, scheduler),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        made.set_progress_bar_config(disable=True)
        return made


def sampler(config: Any, name: SchedulerName) -> Any:
    """A diffusers scheduler with the model's own noise levels; latents are never clipped."""
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, PNDMScheduler

    kept = {"set_alpha_to_one": config.get("set_alpha_to_one", False)}
    match name:
        case "ddim":
            return DDIMScheduler.from_config(config, clip_sample=False, **kept)
        case "pndm":
            return PNDMScheduler.from_config(config, skip_prk_steps=True, **kept)
        case "dpm":
            return DPMSolverMultistepScheduler.from_config(config, algorithm_type="dpmsolver++")


def load(model: str, revision: str, *, device: str, dtype: torch.dtype) -> Diffusion:
    """Load the whole base model, frozen, in eval mode.

    Args:
        model: folder or Hugging Face id.
        revision: a folder's digest (checked) or the hub's commit.
        device: for instance ``cpu`` or ``cuda``.
        dtype: of the weights.

    Raises:
        ModelError: the model is missing, incomplete, of another revision, or not a one-encoder Stable Diffusion.
    """
    codec = load_codec(model, revision, device=device, dtype=dtype)
    from diffusers import DDPMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # stages have their own bar, for the work
    with opening(model, revision) as (name, version):
        text_encoder = CLIPTextModel.from_pretrained(name, revision=version, subfolder="text_encoder", dtype=dtype)
        unet = UNet2DConditionModel.from_pretrained(name, revision=version, subfolder="unet", torch_dtype=dtype)
        tokenizer = CLIPTokenizer.from_pretrained(name, revision=version, subfolder="tokenizer")
        scheduler = DDPMScheduler.from_pretrained(name, revision=version, subfolder="scheduler")
    return Diffusion(
        codec=codec,
        tokenizer=tokenizer,
        text_encoder=frozen(text_encoder, device),
        unet=frozen(unet, device),
        scheduler=scheduler,
        alphas_cumprod=scheduler.alphas_cumprod.float(),
    )


__all__ = ["Diffusion", "DiffusionParams", "SchedulerName", "load", "sampler"]
