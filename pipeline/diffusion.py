"""The frozen text-to-image model through diffusers: text states, the U-Net's word, and ready pipelines.

Loads Stable Diffusion 1.x, 2.x (one CLIP text encoder) and XL (two) from a folder or the hub, part by part, all frozen
and in eval mode; which it is, the model's own files say (ADR 0023). No safety checker is looked for. The VAE has its
own module, :mod:`pipeline.vae`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from pipeline import base_models, text_encoding
from pipeline.losses import Prediction
from pipeline.pretrained import opening
from pipeline.text_encoding import TextStates
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
    tokenizer_2: Any = None
    """SDXL's second tokenizer; it pads in its own way."""
    text_encoder_2: Any = None
    """SDXL's second encoder, with projection."""
    zeroes_empty_text: bool = False
    """SDXL: the empty text is zeros, not what the encoders make of it."""

    @property
    def device(self) -> str:
        """Where the model lies."""
        return self.codec.device

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the frozen weights; the VAE's may be wider, see :class:`pipeline.vae.Codec`."""
        dtype: torch.dtype = self.text_encoder.dtype
        return dtype

    @property
    def text_width(self) -> int:
        """Features of the text states: 768 in SD 1.x, 1024 in SD 2.x, 2048 in SDXL."""
        return int(self.unet.config.cross_attention_dim)

    @property
    def prediction(self) -> Prediction:
        """What the U-Net says: the noise, or the velocity."""
        return "v_prediction" if self.scheduler.config.prediction_type == "v_prediction" else "epsilon"

    @property
    def timesteps(self) -> int:
        """Number of training timesteps, 1000 in Stable Diffusion."""
        return len(self.alphas_cumprod)

    def _readers(self) -> list[text_encoding.Reader]:
        first = (self.tokenizer, self.text_encoder)
        return [first] if self.text_encoder_2 is None else [first, (self.tokenizer_2, self.text_encoder_2)]

    @torch.no_grad()
    def text_states(self, prompts: Sequence[str]) -> TextStates:
        """Text states x = f_En(p) in the model's dtype; longer prompts are cut at 77 tokens.

        The empty text is what the model's own pipeline takes where no negative prompt is given: zeros in SDXL.
        """
        made = text_encoding.encode(self._readers(), prompts, self.device)
        return text_encoding.without_empty(made, prompts) if self.zeroes_empty_text else made

    def own_tokens(self, prompts: Sequence[str]) -> torch.Tensor:
        """(batch, 77) int64: 1 at the prompt's own tokens, 0 at start, end and padding; of two tokenizers, in both."""
        own = [text_encoding.own_tokens(tokenizer, prompts) for tokenizer, _ in self._readers()]
        return torch.stack(own).all(dim=0).long().to(self.device)

    def levels(self, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """alpha_t and sigma_t of Eq. 1, each (batch, 1, 1, 1) float32, alpha^2 + sigma^2 = 1."""
        squared = self.alphas_cumprod.to(timesteps.device)[timesteps].view(-1, 1, 1, 1)
        return squared.sqrt(), (1.0 - squared).sqrt()

    def predict(self, latents: torch.Tensor, timesteps: torch.Tensor, condition: TextStates) -> torch.Tensor:
        """The U-Net's word, (batch, channels, height, width) float32; gradients flow to the condition.

        Args:
            latents: alpha_t z + sigma_t eps.
            timesteps: (batch,) int64.
            condition: c' or text states (batch, tokens, width), with what SDXL pools beside them.
        """
        text = condition.to(self.dtype)
        said = self.unet(
            latents.to(self.dtype),
            timesteps,
            encoder_hidden_states=text.states,
            added_cond_kwargs=self._added(latents, text),
        )
        prediction: torch.Tensor = said.sample.float()
        return prediction

    def _added(self, latents: torch.Tensor, text: TextStates) -> dict[str, torch.Tensor] | None:
        """SDXL's pooled text and size conditioning: original size, crop and target size in pixels (ADR 0023).

        A picture of the data set counts as whole and of its own size: the sides of its square, no crop, as in sampling.
        """
        if text.pooled is None:
            return None
        height, width = (side * self.codec.side_factor for side in latents.shape[-2:])
        sizes = torch.tensor([height, width, 0, 0, height, width], dtype=text.pooled.dtype, device=text.pooled.device)
        return {"text_embeds": text.pooled, "time_ids": sizes.expand(len(latents), -1)}

    def pipeline(self, scheduler: SchedulerName) -> Any:
        """A silent diffusers pipeline of these parts with the named scheduler, of the model's own kind."""
        from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

        parts = {
            "vae": self.codec.vae,
            "text_encoder": self.text_encoder,
            "tokenizer": self.tokenizer,
            "unet": self.unet,
            "scheduler": sampler(self.scheduler.config, scheduler),
        }
        if self.text_encoder_2 is None:
            made = StableDiffusionPipeline(
                **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
            )
        else:
            second = {"text_encoder_2": self.text_encoder_2, "tokenizer_2": self.tokenizer_2}
            zeroes = self.zeroes_empty_text
            made = StableDiffusionXLPipeline(
                **parts, **second, force_zeros_for_empty_prompt=zeroes, add_watermarker=False
            )
        made.set_progress_bar_config(disable=True)
        return made


def pipeline_inputs(prompts: TextStates, negatives: TextStates) -> dict[str, torch.Tensor]:
    """Text as the arguments of a pipeline's call; SDXL's are two more."""
    given = {"prompt_embeds": prompts.states, "negative_prompt_embeds": negatives.states}
    if prompts.pooled is None or negatives.pooled is None:
        return given
    return given | {"pooled_prompt_embeds": prompts.pooled, "negative_pooled_prompt_embeds": negatives.pooled}


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
        ModelError: the model is missing, incomplete, of another revision, or of a kind that does not run here.
    """
    codec = load_codec(model, revision, device=device, dtype=dtype)
    kind = base_models.kind(model, revision)
    base_models.require_parts(model, revision)
    from diffusers import DDPMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # stages have their own bar, for the work
    second = dict[str, Any]()
    with opening(model, revision) as (name, version):
        text_encoder = CLIPTextModel.from_pretrained(name, revision=version, subfolder="text_encoder", dtype=dtype)
        unet = UNet2DConditionModel.from_pretrained(name, revision=version, subfolder="unet", torch_dtype=dtype)
        tokenizer = CLIPTokenizer.from_pretrained(name, revision=version, subfolder="tokenizer")
        scheduler = DDPMScheduler.from_pretrained(name, revision=version, subfolder="scheduler")
        if kind.two_encoders:
            encoder_2 = CLIPTextModelWithProjection.from_pretrained(
                name, revision=version, subfolder="text_encoder_2", dtype=dtype
            )
            second["text_encoder_2"] = frozen(encoder_2, device)
            second["tokenizer_2"] = CLIPTokenizer.from_pretrained(name, revision=version, subfolder="tokenizer_2")
    return Diffusion(
        codec=codec,
        tokenizer=tokenizer,
        text_encoder=frozen(text_encoder, device),
        unet=frozen(unet, device),
        scheduler=scheduler,
        alphas_cumprod=scheduler.alphas_cumprod.float(),
        zeroes_empty_text=kind.zeroes_empty_text,
        **second,
    )


__all__ = ["Diffusion", "DiffusionParams", "SchedulerName", "TextStates", "load", "pipeline_inputs", "sampler"]
