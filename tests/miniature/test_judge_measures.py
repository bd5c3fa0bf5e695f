import random

import torch

from miniature import architectures, judge_measures, vocabulary


def test_the_oracle_is_right_on_drawn_pictures():
    assert min(judge_measures.oracle(count=60).values()) >= 0.98


def test_the_judges_quality_ranks_degraded_pictures_by_what_was_done_to_them():
    found = judge_measures.quality_score(count=100)
    assert min(found[f"quality_spearman_{way}"] for way in ("blur", "noise", "both")) >= 0.9
    assert 0.75 <= found["quality_spearman_both_rmse"] < found["quality_spearman_both"]


def test_a_quality_that_knows_nothing_ranks_nothing(monkeypatch):
    guesses = random.Random(0)
    monkeypatch.setattr(judge_measures, "quality", lambda image: guesses.random())
    assert max(map(abs, judge_measures.quality_score(count=60).values())) < 0.5


def test_the_oracle_is_measured_on_pictures_made_worse():
    torch.manual_seed(0)
    tokenizer = vocabulary.clip_tokenizer()
    parts = {
        "vae": architectures.vae(),
        "text_encoder": architectures.text_encoder(tokenizer),
        "tokenizer": tokenizer,
        "unet": architectures.unet(),
    }
    through = judge_measures.quality_decoded(parts, count=8)
    assert through["quality_drawn"] > 0.98
    assert 0 <= through["quality_decoded"] < through["quality_drawn"]
    assert -1 <= through["quality_decoded_spearman_contrast"] <= 1
    found = judge_measures.oracle_degraded(parts, count=4, steps=5)
    assert found["oracle_blur_0.5_all_right"] == found["oracle_noise_10_all_right"] == 1.0
    assert found["oracle_decoded_all_right"] == found["oracle_denoised_0.4_all_right"] == 0.0
