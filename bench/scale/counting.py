"""Floating-point operations of the real models, counted by torch on the meta device: 1 multiply-add is 2 FLOP.

torch counts matrix products, convolutions and attention; norms, activations and soft-maxes are left out, as usual.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bench.scale import architectures
from bench.scale.architectures import LLAMA, LlamaShape
from pipeline.adapters.settings import AdapterParams
from pipeline.adapters.sur import SurAdapter
from pipeline.captioning import BlipParams
from pipeline.params import load

PAPER = Path(__file__).parents[2] / "profiles" / "paper.yaml"
PROMPT_TOKENS = 13.3
"""Mean tokens of a simple prompt (captions of the paper's kind); a pass's FLOP are interpolated between 13 and 14."""
PREFIX_TOKENS = 4
"""Start token and "a picture of", from which LAVIS lets BLIP go on."""
CAPTION_TOKENS = 10
"""Tokens of a caption after the prefix, about."""
EARLY_EXIT = 20
TEXT_STATES = (1, 77, 768)
LATENT = (1, 4, 64, 64)
PICTURE = (1, 3, 512, 512)


def flop(action: Callable[[], object]) -> int:
    """Floating-point operations of a call."""
    with FlopCounterMode(display=False) as counter:
        action()
    return int(counter.get_total_flops())


def all_figures() -> dict[str, float]:
    """FLOP of every piece, by name; of one picture, prompt or sample."""
    side = architectures.clip_config()["vision_cfg"]["image_size"]
    shallow = LLAMA["13B"]._replace(layers=EARLY_EXIT)
    return {
        **blip_figures(architectures.blip()),
        **clip_figures(architectures.clip(), side),
        **diffusion_figures(),
        **adapter_figures(),
        **{f"llama_{size}": llama_prompt(shape, PROMPT_TOKENS) for size, shape in LLAMA.items()},
        f"llama_13B_layer_{EARLY_EXIT}": llama_prompt(shallow, PROMPT_TOKENS),
    }


@torch.no_grad()
def blip_figures(model: Any) -> dict[str, float]:
    """BLIP on the meta device: a picture through its ViT, then the paper's profile's beam search for ten tokens."""
    side = model.config.vision_config.image_size
    beams = load(BlipParams, "blip", PAPER).beams
    return {
        "blip_vision": flop(lambda: model.vision_model(_empty(1, 3, side, side))),
        "blip_search": beam_search(model, beams, PREFIX_TOKENS, PREFIX_TOKENS + CAPTION_TOKENS),
    }


@torch.no_grad()
def beam_search(model: Any, beams: int, prefix: int, length: int) -> int:
    """FLOP of a search that ends at ``length`` tokens: the prefix in one call, then a token a call and beam.

    As transformers' ``generate`` runs it: every beam has its own keys and values of the picture, made once.

    Args:
        model: a ``BlipForConditionalGeneration`` on the meta device.
        beams: of the search.
        prefix: tokens that the search goes on from.
        length: tokens at its end; the last one is never fed.
    """
    shape = model.config.vision_config
    states = _empty(beams, 1 + (shape.image_size // shape.patch_size) ** 2, shape.hidden_size)
    total, past = 0, None
    for fed in [prefix] + [1] * (length - prefix - 1):
        said: list[Any] = []
        ids = torch.zeros((beams, fed), dtype=torch.long, device="meta")

        def step(ids: torch.Tensor = ids, said: list[Any] = said, past: Any = past) -> None:
            said.append(_decoded(model.text_decoder, ids, states, past))

        total += flop(step)
        past = said[0].past_key_values
    return total


def _decoded(decoder: nn.Module, ids: torch.Tensor, states: torch.Tensor, past: Any) -> Any:
    return decoder(
        input_ids=ids,
        encoder_hidden_states=states,
        past_key_values=past,
        use_cache=True,
        is_decoder=True,
        logits_to_keep=1,
    )


@torch.no_grad()
def clip_figures(model: Any, side: int) -> dict[str, float]:
    """CLIP on the meta device: a picture of that side, and a text, which always fills the context (77 tokens)."""
    return {
        "clip_image": flop(lambda: model.encode_image(_empty(1, 3, side, side))),
        "clip_text": flop(lambda: model.encode_text(_tokens(model.context_length))),
    }


def llama_prompt(shape: LlamaShape, tokens: float) -> float:
    """A pass over one prompt of so many tokens on average, between the two nearest lengths."""
    below = int(tokens)
    low, high = (llama_pass(shape, count) for count in (below, below + 1))
    return round(low + (tokens - below) * (high - low))


def llama_mean(shape: LlamaShape, lengths: Sequence[int]) -> float:
    """The mean over prompts of these lengths: a pass is linear in the tokens, its attention quadratic."""
    one, two = llama_pass(shape, 1), llama_pass(shape, 2)
    square = (two - 2 * one) / 2
    return sum((one - square) * length + square * length**2 for length in lengths) / len(lengths)


@torch.no_grad()
def llama_pass(shape: LlamaShape, tokens: int) -> int:
    """A pass over one prompt of exactly so many tokens, without the head."""
    model = architectures.llama(shape)
    mask = _empty(1, 1, tokens, tokens)  # a given mask spares transformers a look at the values
    return flop(lambda: model(input_ids=_tokens(tokens), attention_mask=mask, use_cache=False))


def diffusion_figures() -> dict[str, float]:
    """Stable Diffusion 1.5 at 512 px: U-Net forward, forward and backward to its text input, VAE, text encoder."""
    unet, vae, text = architectures.unet(), architectures.vae(), architectures.text_encoder()
    latent, timestep = _empty(*LATENT), torch.zeros(1, dtype=torch.long, device="meta")
    states = _empty(*TEXT_STATES).requires_grad_()
    figures: dict[str, float] = {
        "unet_to_text": flop(lambda: unet(latent, timestep, states).sample.sum().backward()),
    }
    with torch.no_grad():
        figures["unet"] = flop(lambda: unet(latent, timestep, states))
        figures["vae_encode"] = flop(lambda: vae.encode(_empty(*PICTURE)))
        figures["vae_decode"] = flop(lambda: vae.decode(latent))
        figures["text"] = flop(lambda: text(_tokens(TEXT_STATES[1])))
    return figures


def adapter_figures() -> dict[str, float]:
    """The SUR-adapter of the paper's profile, forward and backward (SD 1.5's text width, LLaMA-13B's vectors)."""
    config = load(AdapterParams, "adapter", PAPER)
    adapter = SurAdapter(config, width=TEXT_STATES[2], llm_width=LLAMA["13B"].width, w0_seed=0).to("meta")
    vector = _empty(1, LLAMA["13B"].width)

    def step() -> None:
        made = adapter(_empty(*TEXT_STATES))
        (made.condition.sum() + made.query.sum() + adapter.teacher(vector).sum()).backward()

    return {"adapter": flop(step)}


def _empty(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device="meta")


def _tokens(count: int) -> torch.Tensor:
    return torch.zeros((1, count), dtype=torch.long, device="meta")
