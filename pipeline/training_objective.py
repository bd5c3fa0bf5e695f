"""The losses of one micro-batch through the frozen model, and the validation loss at fixed timesteps and noise."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from pipeline import losses
from pipeline.adapters import kinds
from pipeline.adapters.kinds import Adapter
from pipeline.adapters.llm4gen import CrossAdapter
from pipeline.adapters.llmdiff import LlmDiffAdapter
from pipeline.adapters.sur import SurAdapter
from pipeline.diffusion import Diffusion, TextStates
from pipeline.entity_term import Agreement, located, watched
from pipeline.losses import LossParams
from pipeline.training_examples import Batch, Examples, validation_batch

Forward = Callable[..., Any]
Choose = Callable[[TextStates, TextStates, Batch], TextStates]
"""Of x, x_c and the batch that they are of, the condition."""


Terms = dict[str, torch.Tensor]
"""Scalars of a micro-batch: ``total``, which is descended, ``denoising`` and ``denoising_weighted`` (by min-SNR, where
that is asked for, else the same), and the other raw terms of the kind, by their names."""


class Denoised(NamedTuple):
    """Eq. 8 of a batch, as it stands and with its min-SNR weights."""

    raw: torch.Tensor
    weighted: torch.Tensor


def batch_losses(
    forward: Forward,
    adapter: Adapter,
    diffusion: Diffusion,
    batch: Batch,
    config: LossParams,
    *,
    snr_gamma: float | None = None,
) -> Terms:
    """The losses of the adapter's kind on a batch; gradients flow to all that is trained.

    Args:
        forward: what is trained as Accelerate wrapped it.
        adapter: the network in it.
        diffusion: the base model.
        batch: rows and draws.
        config: section ``loss``.
        snr_gamma: cap of min-SNR weighting; None weights no timestep.
    """
    match adapter:
        case SurAdapter():
            x, x_c = text_states(diffusion, batch)
            made = forward(x.states)
            denoise = denoised(diffusion, batch, x.replaced(made.condition), snr_gamma=snr_gamma)
            student = made.query if config.student == "query" else made.hidden
            teacher = adapter.teacher(batch.llm.to(diffusion.device))
            llm = _distilled(student.float(), teacher, diffusion.own_tokens(batch.simple), batch.captioned, config)
            align = losses.alignment(made.condition.float(), x_c.states, config)
            total = losses.total(llm, align, denoise.weighted, config)
            return {**_plain(denoise), "total": total, "llm": llm, "alignment": align}
        case CrossAdapter() if batch.token_states is not None:
            x = diffusion.text_states(batch.simple).to(torch.float32)
            condition = x.replaced(forward(x.states, batch.token_states.to(diffusion.device)))
            if not config.entity_weight:
                return _plain(denoised(diffusion, batch, condition, snr_gamma=snr_gamma))
            agreement = Agreement(located(diffusion.tokenizer, batch.simple))
            with watched(diffusion.unet, agreement):
                plain = _plain(denoised(diffusion, batch, condition, snr_gamma=snr_gamma))
            entity = agreement.mean(len(batch.simple), plain["total"])
            return {**plain, "total": plain["total"] + config.entity_weight * entity, "entity": entity}
        case LlmDiffAdapter():
            text = diffusion.text_states(batch.simple).to(torch.float32) if _hears_text(adapter, diffusion) else None
            return _plain(denoised(diffusion, batch, branched(forward, adapter, text, batch), snr_gamma=snr_gamma))
        case _:
            x = diffusion.text_states(batch.simple).to(torch.float32)
            return _plain(denoised(diffusion, batch, x.replaced(forward(x.states)), snr_gamma=snr_gamma))


def _hears_text(adapter: LlmDiffAdapter, diffusion: Diffusion) -> bool:
    """Whether the base model's text encoders are asked: below eta 1, and for what SDXL pools."""
    return adapter.config.eta < 1.0 or diffusion.text_encoder_2 is not None


def branched(forward: Forward, adapter: LlmDiffAdapter, x: TextStates | None, batch: Batch) -> TextStates:
    """What the two branches of LLMDiff-Adapter hear.

    Args:
        forward: the adapter, as Accelerate wrapped it where it trains.
        adapter: the adapter itself.
        x: text states of the simple prompts; None at eta 1 of a base model that pools nothing.
        batch: with the prompts' block states.

    Raises:
        ValueError: the batch has none.
    """
    if batch.prompts is None:
        raise ValueError("the batch holds no block states")
    given = batch.prompts.to(adapter.phi.weight.device)
    if x is None or adapter.config.eta == 1.0:
        made = forward(given.blocks, given.eps)
    else:
        made = forward(given.blocks, given.eps, x.states)
    return TextStates(made, None if x is None else x.pooled)


def _plain(denoise: "Denoised") -> Terms:
    """Eq. 8 alone."""
    return {"total": denoise.weighted, "denoising": denoise.raw, "denoising_weighted": denoise.weighted}


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


def adapted(adapter: Adapter) -> Choose:
    """What the adapter makes of the simple prompt; what SDXL pools is that prompt's, as when pictures are made."""
    if isinstance(adapter, LlmDiffAdapter):
        return lambda x, x_c, batch: branched(adapter, adapter, x, batch)

    def choose(x: TextStates, x_c: TextStates, batch: Batch) -> TextStates:
        states = None if batch.token_states is None else batch.token_states.to(x.states.device)
        return x.replaced(kinds.condition(adapter, x.states, states))

    return choose


def simple(x: TextStates, x_c: TextStates, batch: Batch) -> TextStates:
    """The condition is the simple prompt alone: the base model, what the adapter starts from."""
    return x


def complex_(x: TextStates, x_c: TextStates, batch: Batch) -> TextStates:
    """The condition is the complex prompt: the base model at its best, what the adapter may hope for."""
    return x_c


@torch.no_grad()
def validate(diffusion: Diffusion, choose: Choose, examples: Examples, *, seed: int, batch: int) -> float | None:
    """Mean of Eq. 8 over the validation rows; None where there are none.

    Args:
        diffusion: the frozen base model.
        choose: gives the condition.
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
        condition = choose(*text_states(diffusion, drawn), drawn)
        total += len(rows) * float(denoised(diffusion, drawn, condition).raw)
    return total / len(examples)
