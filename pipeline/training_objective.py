"""The losses of one micro-batch through the frozen model, and the validation loss at fixed timesteps and noise."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from pipeline import losses
from pipeline.adapters.sur import Condition, SurAdapter
from pipeline.diffusion import Diffusion, TextStates
from pipeline.losses import LossParams
from pipeline.training_examples import Batch, Examples, validation_batch

Forward = Callable[[torch.Tensor], Condition]
Choose = Callable[[TextStates, TextStates], TextStates]


class Losses(NamedTuple):
    """Scalars of a micro-batch: the raw terms, and ``total``, their weighted sum (Eq. 10)."""

    total: torch.Tensor
    denoising: torch.Tensor
    denoising_weighted: torch.Tensor
    """By min-SNR where that is asked for, else ``denoising`` itself."""
    llm: torch.Tensor
    alignment: torch.Tensor


class Denoised(NamedTuple):
    """Eq. 8 of a batch, as it stands and with its min-SNR weights."""

    raw: torch.Tensor
    weighted: torch.Tensor


def batch_losses(
    forward: Forward,
    adapter: SurAdapter,
    diffusion: Diffusion,
    batch: Batch,
    config: LossParams,
    *,
    snr_gamma: float | None = None,
) -> Losses:
    """Eqs. 5, 8, 9 and 10 on a batch; gradients flow to the adapter alone.

    Args:
        forward: the adapter as Accelerate wrapped it.
        adapter: the adapter itself, for W0.
        diffusion: the frozen base model.
        batch: rows and draws.
        config: section ``loss``.
        snr_gamma: cap of min-SNR weighting; None weights no timestep.
    """
    x, x_c = text_states(diffusion, batch)
    made = forward(x.states)
    denoise = denoised(diffusion, batch, x.replaced(made.condition), snr_gamma=snr_gamma)
    student = made.query if config.student == "query" else made.hidden
    teacher = adapter.teacher(batch.llm.to(diffusion.device))
    llm = _distilled(student.float(), teacher, diffusion.own_tokens(batch.simple), batch.captioned, config)
    align = losses.alignment(made.condition.float(), x_c.states, config)
    return Losses(losses.total(llm, align, denoise.weighted, config), *denoise, llm, align)


def _distilled(
    student: torch.Tensor, teacher: torch.Tensor, own: torch.Tensor, captioned: torch.Tensor, config: LossParams
) -> torch.Tensor:
    """Eq. 5 over the rows that kept their caption: the LLM vector says nothing of the empty text, which counts as 0."""
    kept = captioned.to(student.device)
    count = int(captioned.sum())
    if count == len(captioned):
        return losses.llm_distillation(student, teacher, own, config)
    if not count:
        return student.new_zeros(())
    return losses.llm_distillation(student[kept], teacher[kept], own[kept], config) * (count / len(captioned))


def text_states(diffusion: Diffusion, batch: Batch) -> tuple[TextStates, TextStates]:
    """The states x and x_c, (batch, tokens, width) float32 each, encoded in one call."""
    both = diffusion.text_states([*batch.simple, *batch.complex]).to(torch.float32)
    simple, complex_ = both.chunk(2)
    return simple, complex_


def denoised(diffusion: Diffusion, batch: Batch, condition: TextStates, *, snr_gamma: float | None = None) -> Denoised:
    """Eq. 8 for a condition (batch, tokens, width), raw and weighted by min-SNR with this cap."""
    moments, latent_noise, noise, timesteps = (
        value.to(diffusion.device) for value in (batch.moments, batch.latent_noise, batch.noise, batch.timesteps)
    )
    z = diffusion.codec.sample_latents(moments, latent_noise)
    alpha, sigma = diffusion.levels(timesteps)
    prediction = diffusion.predict(alpha * z + sigma * noise, timesteps, condition)
    target = losses.prediction_target(z, noise, alpha, sigma, diffusion.prediction)
    raw = losses.denoising(prediction, target)
    if snr_gamma is None:
        return Denoised(raw, raw)
    weights = losses.min_snr_weights(alpha, sigma, snr_gamma, diffusion.prediction)
    return Denoised(raw, losses.weighted_denoising(prediction, target, weights))


def adapted(adapter: SurAdapter) -> Choose:
    """The condition is c' of the simple prompt; what SDXL pools is the simple prompt's, as when pictures are made."""
    return lambda x, x_c: x.replaced(adapter(x.states).condition)


def simple(x: TextStates, x_c: TextStates) -> TextStates:
    """The condition is the simple prompt alone: the base model, what the adapter starts from."""
    return x


def complex_(x: TextStates, x_c: TextStates) -> TextStates:
    """The condition is the complex prompt: the base model at its best, what the adapter may hope for."""
    return x_c


@torch.no_grad()
def validate(diffusion: Diffusion, choose: Choose, examples: Examples, *, seed: int, batch: int) -> float | None:
    """Mean of Eq. 8 over the validation rows; None where there are none.

    Args:
        diffusion: the frozen base model.
        choose: gives the condition of x and x_c.
        examples: validation rows.
        seed: of the fixed noise.
        batch: rows a call.
    """
    if not len(examples):
        return None
    total = 0.0
    for start in range(0, len(examples), batch):
        rows = range(start, min(start + batch, len(examples)))
        drawn = validation_batch(examples, rows, seed, diffusion.timesteps)
        total += len(rows) * float(denoised(diffusion, drawn, choose(*text_states(diffusion, drawn))).raw)
    return total / len(examples)
