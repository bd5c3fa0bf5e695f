"""The losses of the SUR-adapter (arXiv 2305.05189): one function an equation.

Where the paper and its authors' code differ, the setting's comment names the ADR.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field

from pipeline.params import Section

Direction = Literal["student_teacher", "teacher_student"]
TokenReduction = Literal["sum", "mean"]
Prediction = Literal["epsilon", "v_prediction"]


class LossParams(Section):
    """Section ``loss`` of params.yaml: read with ``adapter.kind: sur``, but for ``entity_weight``."""

    temperature: float = Field(gt=0.0)
    """tau of Eqs. 5 and 9; the paper takes 1."""
    llm_weight: float = Field(ge=0.0)
    """lambda 1 of Eq. 10; the paper takes 1e-5. 0 trains without the LLM (a row of the paper's Table 5)."""
    alignment_weight: float = Field(ge=0.0)
    """lambda 2 of Eq. 10; the paper takes 1e-5. 0 trains without complex prompts (a row of Table 5)."""
    llm_kl: Direction
    """``student_teacher`` is KL(Q || W0 f): the authors' code; ``teacher_student``: Eq. 5 as written (ADR 0011)."""
    alignment_kl: Direction
    """``student_teacher`` is KL(c' || x_c): Eq. 9 as written and the authors' code (ADR 0011)."""
    tokens: TokenReduction
    """Sum over the prompt's 77 tokens, as the authors' code, or their mean: 77 times smaller (ADR 0011)."""
    student: Literal["query", "h3"]
    """What is distilled: Q after the query layer (Eq. 5), or the Transformer before it (authors' code; ADR 0014)."""
    llm_target: Literal["every_token", "mean_token"]
    """What matches the one LLM vector: every position, padding too (authors' code), or the prompt's mean token."""
    llm_scale: Literal["raw", "standardise"]
    """The LLM vector as it is (paper), or with mean 0 and deviation 1 a dimension over the training split."""
    entity_weight: float = Field(ge=0.0)
    """Of the entity-guided regularisation, whose formula is ours (ADR 0025): the U-Net looks at an attribute where it
    looks at its entity. 0 is off. Read with ``adapter.kind: llm4gen`` only."""
    w0_seed: int = Field(ge=0)
    """Seed of the frozen random projection W0 of Eq. 5 (ADR 0013)."""

    @property
    def weights(self) -> dict[str, float]:
        """Factors of the terms beside denoising, by their names in the log."""
        return {"llm": self.llm_weight, "alignment": self.alignment_weight, "entity": self.entity_weight}


def kl_over_features(
    student: torch.Tensor,
    teacher: torch.Tensor,
    *,
    temperature: float,
    direction: Direction,
    tokens: TokenReduction,
) -> torch.Tensor:
    """Kullback-Leibler divergence of softmax distributions over the features, times temperature squared.

    Args:
        student: (batch, tokens, width), any real numbers.
        teacher: the same shape exactly: broadcasting here once hid a fault of the authors' code.
        temperature: tau, divides both before the softmax.
        direction: ``student_teacher`` is KL(student || teacher), ``teacher_student`` the other.
        tokens: how the tokens of a sample are joined; samples are always averaged.

    Returns:
        A scalar of at least 0; 0 exactly when both distributions are equal.

    Raises:
        ValueError: the shapes differ or are not (batch, tokens, width).
    """
    if student.shape != teacher.shape or student.dim() != 3:
        raise ValueError(f"student {tuple(student.shape)} and teacher {tuple(teacher.shape)} must be one (B, T, d)")
    log_student = F.log_softmax(student / temperature, dim=-1)
    log_teacher = F.log_softmax(teacher / temperature, dim=-1)
    if direction == "teacher_student":
        log_student, log_teacher = log_teacher, log_student
    by_token = (log_student.exp() * (log_student - log_teacher)).sum(dim=-1)  # (B, T)
    by_sample = by_token.sum(dim=-1) if tokens == "sum" else by_token.mean(dim=-1)
    return by_sample.mean() * temperature**2


def llm_distillation(
    student: torch.Tensor, teacher: torch.Tensor, own_tokens: torch.Tensor, config: LossParams
) -> torch.Tensor:
    """Eq. 5: the adapter's query learns the projected LLM vector of the simple prompt.

    Args:
        student: Q (batch, tokens, width), or h3's output.
        teacher: W0 f_LLM(p_s), (batch, width).
        own_tokens: (batch, tokens), 1 at the prompt's own tokens, 0 at start, end and padding.
        config: direction, reduction, temperature and what matches the vector.
    """
    if config.llm_target == "mean_token":
        weights = own_tokens.to(student.dtype).unsqueeze(-1)  # (B, T, 1)
        student = (student * weights).sum(dim=1, keepdim=True) / weights.sum(dim=1, keepdim=True).clamp(min=1.0)
    target = teacher.unsqueeze(1).expand(-1, student.shape[1], -1)  # (B, T or 1, d)
    return kl_over_features(
        student, target, temperature=config.temperature, direction=config.llm_kl, tokens=config.tokens
    )


def alignment(condition: torch.Tensor, complex_states: torch.Tensor, config: LossParams) -> torch.Tensor:
    """Eq. 9: the condition c' made from the simple prompt moves to the text states of the complex prompt.

    Args:
        condition: c' (batch, tokens, width).
        complex_states: x_c = f_En(p_c), the same shape.
        config: direction, reduction and temperature.
    """
    return kl_over_features(
        condition,
        complex_states,
        temperature=config.temperature,
        direction=config.alignment_kl,
        tokens=config.tokens,
    )


def prediction_target(
    latents: torch.Tensor,
    noise: torch.Tensor,
    alpha: torch.Tensor,
    sigma: torch.Tensor,
    prediction: Prediction,
) -> torch.Tensor:
    """What the U-Net is asked to say: the noise, or the velocity v = alpha eps - sigma z (arXiv 2202.00512, section 4).

    Args:
        latents: z (batch, channels, height, width).
        noise: eps, the same shape.
        alpha: (batch, 1, 1, 1), the signal's factor at each sample's timestep.
        sigma: (batch, 1, 1, 1), the noise's factor; alpha^2 + sigma^2 = 1.
        prediction: the scheduler's ``prediction_type``.
    """
    return noise if prediction == "epsilon" else alpha * noise - sigma * latents


def denoising(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Eq. 8: squared error of the U-Net's prediction, mean over all elements.

    Args:
        prediction: (batch, channels, height, width), from the noised latents and c'.
        target: the same shape; see :func:`prediction_target`.
    """
    return (prediction - target).square().mean()


def min_snr_weights(alpha: torch.Tensor, sigma: torch.Tensor, gamma: float, prediction: Prediction) -> torch.Tensor:
    """Min-SNR weights of Eq. 8's samples: min(SNR, gamma) / SNR for the noise, / (SNR + 1) for the velocity.

    SNR is alpha^2 / sigma^2. Both weight the error in z by min(SNR, gamma) (arXiv 2303.09556, section 3.4). Written
    here without a division by SNR, so that a noise level without any signal has its limit, not a NaN.

    Args:
        alpha: (batch, 1, 1, 1), the signal's factor at each sample's timestep.
        sigma: (batch, 1, 1, 1), the noise's factor, above 0; alpha^2 + sigma^2 = 1.
        gamma: the greatest SNR that counts; the paper takes 5.
        prediction: the scheduler's ``prediction_type``.

    Returns:
        (batch, 1, 1, 1), 0 to 1.
    """
    signal, capped = alpha.square(), gamma * sigma.square()
    if prediction == "v_prediction":
        return torch.minimum(signal, capped)
    return torch.clamp(capped / signal, max=1.0)


def weighted_denoising(prediction: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Eq. 8 with a weight a sample: mean over all elements of weight times squared error.

    Args:
        prediction: (batch, channels, height, width).
        target: the same shape.
        weights: (batch, 1, 1, 1), see :func:`min_snr_weights`.
    """
    return (weights * (prediction - target).square()).mean()


def total(llm: torch.Tensor, align: torch.Tensor, denoise: torch.Tensor, config: LossParams) -> torch.Tensor:
    """Eq. 10: l = lambda1 l_LLM + lambda2 l_CP + l_simple."""
    return config.llm_weight * llm + config.alignment_weight * align + denoise
