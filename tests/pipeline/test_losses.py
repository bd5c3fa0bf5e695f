import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import losses
from pipeline.losses import LossParams

BASE = {
    "temperature": 1.0,
    "llm_weight": 0.25,
    "alignment_weight": 0.5,
    "llm_kl": "student_teacher",
    "alignment_kl": "student_teacher",
    "tokens": "sum",
    "student": "query",
    "llm_target": "every_token",
    "llm_scale": "raw",
    "entity_weight": 0.125,
    "w0_seed": 0,
}


def config(**changes):
    return LossParams(**{**BASE, **changes})


def tensor(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def by_definition(p_logits, q_logits, temperature):
    """KL(P || Q) of one token, by the definition, in float64."""

    def softmax(logits):
        powers = [math.exp(value / temperature) for value in logits]
        return [power / sum(powers) for power in powers]

    return sum(p * math.log(p / q) for p, q in zip(softmax(p_logits), softmax(q_logits), strict=True))


@pytest.mark.parametrize("direction", ["student_teacher", "teacher_student"])
@pytest.mark.parametrize("tokens", ["sum", "mean"])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_kl_equals_its_definition(direction, tokens, temperature):
    student, teacher = tensor(0, 2, 3, 5), tensor(1, 2, 3, 5)
    first, second = (student, teacher) if direction == "student_teacher" else (teacher, student)
    by_token = np.array(
        [[by_definition(first[b, t].tolist(), second[b, t].tolist(), temperature) for t in range(3)] for b in range(2)]
    )
    by_sample = by_token.sum(1) if tokens == "sum" else by_token.mean(1)
    got = losses.kl_over_features(student, teacher, temperature=temperature, direction=direction, tokens=tokens)
    assert float(got) == pytest.approx(by_sample.mean() * temperature**2, abs=1e-12)


def test_kl_equals_the_authors_formula():
    student, teacher = tensor(0, 4, 7, 6), tensor(1, 4, 7, 6)
    authors = torch.nn.functional.kl_div(
        torch.log_softmax(teacher / 2.0, -1), torch.softmax(student / 2.0, -1), reduction="batchmean"
    )
    got = losses.kl_over_features(student, teacher, temperature=2.0, direction="student_teacher", tokens="sum")
    assert float(got) == pytest.approx(float(authors) * 4.0, abs=1e-12)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(0.2, 5.0), st.sampled_from(["student_teacher", "teacher_student"]))
def test_kl_is_zero_on_equal_arguments_and_never_negative(seed, temperature, direction):
    one, other = tensor(seed, 2, 3, 4), tensor(seed + 1, 2, 3, 4)
    options = {"temperature": temperature, "direction": direction, "tokens": "sum"}
    assert float(losses.kl_over_features(one, one, **options)) == pytest.approx(0.0, abs=1e-12)
    assert float(losses.kl_over_features(one, other, **options)) >= 0.0


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"must be one \(B, T, d\)"):
        losses.kl_over_features(
            tensor(0, 2, 3, 4), tensor(1, 2, 1, 4), temperature=1.0, direction="student_teacher", tokens="sum"
        )


def test_distillation_compares_every_token_with_the_one_vector():
    student, teacher = tensor(0, 2, 3, 4), tensor(1, 2, 4)
    got = losses.llm_distillation(student, teacher, torch.zeros(2, 3), config())
    repeated = teacher[:, None].repeat(1, 3, 1)
    want = losses.kl_over_features(student, repeated, temperature=1.0, direction="student_teacher", tokens="sum")
    assert torch.equal(got, want)


def test_distillation_of_the_mean_token_ignores_padding():
    student, teacher = tensor(0, 2, 5, 4), tensor(1, 2, 4)
    own = torch.tensor([[0, 1, 1, 0, 0], [0, 1, 0, 0, 0]])
    changed = student.clone()
    changed[0, 3:] = 9.0
    chosen = config(llm_target="mean_token")
    got = losses.llm_distillation(student, teacher, own, chosen)
    assert torch.equal(got, losses.llm_distillation(changed, teacher, own, chosen))
    means = torch.stack([student[0, 1:3].mean(0), student[1, 1]])
    want = np.mean([by_definition(means[row].tolist(), teacher[row].tolist(), 1.0) for row in range(2)])
    assert float(got) == pytest.approx(want, abs=1e-12)


def test_alignment_goes_from_the_condition_to_the_complex_states():
    condition, states = tensor(0, 2, 3, 4), tensor(1, 2, 3, 4)
    forwards = losses.alignment(condition, states, config())
    backwards = losses.alignment(states, condition, config(alignment_kl="teacher_student"))
    assert float(forwards) == pytest.approx(float(backwards), abs=1e-12)


def test_targets_are_noise_or_velocity():
    z, eps = tensor(0, 2, 3, 4, 4), tensor(1, 2, 3, 4, 4)
    alpha, sigma = torch.full((2, 1, 1, 1), 0.6), torch.full((2, 1, 1, 1), 0.8)
    assert torch.equal(losses.prediction_target(z, eps, alpha, sigma, "epsilon"), eps)
    velocity = losses.prediction_target(z, eps, alpha, sigma, "v_prediction")
    # From velocity and noised latent both parts come back (arXiv 2202.00512): z = alpha x_t - sigma v.
    assert torch.allclose(alpha * (alpha * z + sigma * eps) - sigma * velocity, z)


def test_denoising_is_the_mean_squared_error():
    assert float(losses.denoising(torch.full((2, 3), 3.0), torch.ones(2, 3))) == 4.0


def test_total_weighs_the_three_losses():
    parts = [torch.tensor(value, dtype=torch.float64) for value in (2.0, 3.0, 5.0)]
    assert float(losses.total(*parts, config())) == 0.25 * 2.0 + 0.5 * 3.0 + 5.0


def levels(*squared):
    """Alpha and sigma (batch, 1, 1, 1) of some alpha^2, float64."""
    signal = torch.tensor(squared, dtype=torch.float64).view(-1, 1, 1, 1)
    return signal.sqrt(), (1.0 - signal).sqrt()


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_min_snr_weights_equal_their_definition(prediction):
    squared = (0.999, 0.9, 0.5, 0.1, 0.004)
    got = losses.min_snr_weights(*levels(*squared), 5.0, prediction).flatten().tolist()
    for each, signal in zip(got, squared, strict=True):
        snr = signal / (1.0 - signal)
        assert each == pytest.approx(min(snr, 5.0) / (snr if prediction == "epsilon" else snr + 1.0), rel=1e-12)


def test_min_snr_weights_have_their_limit_where_there_is_no_signal():
    assert losses.min_snr_weights(*levels(0.0), 5.0, "epsilon").item() == 1.0
    assert losses.min_snr_weights(*levels(0.0), 5.0, "v_prediction").item() == 0.0


def test_min_snr_weights_the_same_error_alike_for_noise_and_velocity():
    alpha, sigma = levels(0.99, 0.6, 0.2)
    z, eps, wrong_z = (tensor(seed, 3, 2, 4, 4) for seed in (1, 2, 3))
    wrong_eps = (alpha * z + sigma * eps - alpha * wrong_z) / sigma  # what is said of the same noised latents
    terms = [
        losses.weighted_denoising(
            losses.prediction_target(wrong_z, wrong_eps, alpha, sigma, prediction),
            losses.prediction_target(z, eps, alpha, sigma, prediction),
            losses.min_snr_weights(alpha, sigma, 5.0, prediction),
        )
        for prediction in ("epsilon", "v_prediction")
    ]
    by_z = (torch.clamp((alpha / sigma) ** 2, max=5.0) * (z - wrong_z) ** 2).mean()
    assert torch.allclose(torch.stack(terms), by_z)


def test_weighted_denoising_is_the_mean_of_weight_times_squared_error():
    said, asked, weights = tensor(1, 2, 3, 2, 2), tensor(2, 2, 3, 2, 2), tensor(3, 2, 1, 1, 1).abs()
    want = np.mean([weights[row].item() * ((said - asked)[row].numpy() ** 2).mean() for row in range(2)])
    assert losses.weighted_denoising(said, asked, weights).item() == pytest.approx(want, rel=1e-12)
    assert torch.allclose(losses.weighted_denoising(said, asked, torch.ones(2, 1, 1, 1)), losses.denoising(said, asked))
