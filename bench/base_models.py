"""What Stable Diffusion 1.5, 2.1 and XL weigh and cost a picture in training, counted on shapes without any weight.

python -m bench.base_models
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench import random_diffusion, results
from bench.random_diffusion import SHAPES, Shape
from pipeline.adapters.settings import AdapterParams
from pipeline.adapters.sur import SurAdapter
from pipeline.diffusion import Diffusion, TextStates
from pipeline.params import load

PROFILE = Path("profiles/paper.yaml")
LLM_WIDTH = 5120
BYTES = 2  # a number in half precision


def counted(shape: Shape) -> dict[str, float]:
    """Sizes of the parts, and operations of a picture of the model's own size; 1 multiply-add is 2 FLOP."""
    model = random_diffusion.stable_diffusion(shape, device="meta", dtype=torch.float32)
    with torch.device("meta"):
        adapter = SurAdapter(
            load(AdapterParams, "adapter", PROFILE), width=model.text_width, llm_width=LLM_WIDTH, w0_seed=0
        )
    texts = [part for part in (model.text_encoder, model.text_encoder_2) if part is not None]
    text = model.text_states(["a red square"])
    frozen = numbers([model.unet, model.codec.vae, *texts])
    pixels = torch.empty(1, 3, shape.side_px, shape.side_px, device="meta")
    return {
        "side_px": shape.side_px,
        "unet_m": numbers([model.unet]) / 1e6,
        "text_m": numbers(texts) / 1e6,
        "vae_m": numbers([model.codec.vae]) / 1e6,
        "adapter_m": numbers([adapter]) / 1e6,
        "frozen_gb": frozen * BYTES / 1e9,
        "unet_tflop": tflop(lambda: predicted(model, text, shape)),
        "unet_and_back_tflop": tflop(lambda: predicted(model, text, shape).sum().backward()),
        "text_tflop": tflop(lambda: model.text_states(["a red square"])),
        "encode_tflop": tflop(lambda: model.codec.moments(pixels)),
        "latents_kb": 2 * 2 * 4 * (shape.side_px // 8) ** 2 * BYTES / 1e3,  # mean, log variance; plain, mirrored
    }


def predicted(model: Diffusion, text: TextStates, shape: Shape) -> torch.Tensor:
    """The U-Net's word on one picture, with a gradient to its text."""
    side = shape.side_px // model.codec.side_factor
    wanted = text.replaced(text.states.detach().requires_grad_())
    return model.predict(torch.empty(1, 4, side, side, device="meta"), torch.zeros(1, device="meta"), wanted)


def numbers(parts: Iterable[Any]) -> int:
    """Of parameters."""
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


def tflop(run: Callable[[], object]) -> float:
    """Floating-point operations of a call."""
    with FlopCounterMode(display=False) as counter:
        run()
    return float(counter.get_total_flops()) / 1e12


def main() -> None:
    """Count all shapes, print and keep the figures."""
    told = {f"{name}_{figure}": value for name, shape in SHAPES.items() for figure, value in counted(shape).items()}
    for name, value in told.items():
        print(f"{name:32}{value:12.4f}")
    print(results.save("base_models", told))


if __name__ == "__main__":
    main()
