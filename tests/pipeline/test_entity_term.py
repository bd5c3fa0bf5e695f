import math

import pytest
import torch

from pipeline import training_unet
from pipeline.adapters.llm4gen import CrossAdapter
from pipeline.entity_term import Agreement, Places, disagreement, located, watched
from pipeline.training_examples import training_batch
from pipeline.training_objective import batch_losses, text_states
from tests.pipeline import tiny_models
from tests.pipeline.training_setup import examples, recipe, silent, trainer


@pytest.fixture(scope="module")
def model():
    return tiny_models.load()


def by_hand(scores, pairs, batch):
    """The definition in float64: no tensor operation but exp, sum and square root of single numbers."""
    total = 0.0
    for row in range(batch):
        own = [pair for pair in pairs if pair.row == row]
        for pair in own:
            over_heads = 0.0
            for head in scores[row].double().tolist():
                maps = []
                for place in head:
                    powers = [math.exp(value) for value in place]
                    maps.append([power / sum(powers) for power in powers])
                a = [sum(place[t] for t in pair.attribute) / len(pair.attribute) for place in maps]
                e = [sum(place[t] for t in pair.entity) / len(pair.entity) for place in maps]
                dot = sum(x * y for x, y in zip(a, e, strict=True))
                over_heads += 1 - dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in e))
            total += over_heads / len(scores[row]) / len(own)
    return total / batch


PAIRS = [Places(0, [1, 2], [3]), Places(0, [4], [3]), Places(2, [1], [2, 3])]


def scores(seed=0):
    """(3 rows, 2 heads, 5 places, 6 tokens)."""
    return torch.randn(3, 2, 5, 6, generator=torch.Generator().manual_seed(seed))


def test_the_term_equals_its_definition_in_float64_summed_over_layers():
    agreement = Agreement(PAIRS)
    agreement.add(scores(0)), agreement.add(scores(1))
    want = by_hand(scores(0), PAIRS, 3) + by_hand(scores(1), PAIRS, 3)
    assert agreement.mean(3, torch.zeros(1)).item() == pytest.approx(want, rel=1e-5)


def test_maps_that_agree_cost_nothing_and_maps_apart_cost_1():
    maps = torch.tensor([[[0.2, 0.4, 0.0], [0.1, 0.2, 0.7]]])  # one head, two places, three tokens
    assert disagreement(maps, [0], [1]).item() == pytest.approx(0.0, abs=1e-6)
    apart = torch.tensor([[[0.5, 0.0], [0.0, 0.5]]])
    assert disagreement(apart, [0], [1]).item() == pytest.approx(1.0)


@pytest.mark.parametrize("pairs", [[], PAIRS[:2]])
def test_rows_without_a_pair_are_0_and_no_nan(pairs):
    agreement, values = Agreement(pairs), scores().requires_grad_()
    if pairs:
        agreement.add(values)
    term = agreement.mean(3, torch.zeros(1))
    assert torch.isfinite(term)
    assert (term > 0) == bool(pairs)
    if pairs:
        term.backward()
        assert torch.isfinite(values.grad).all()
        assert not values.grad[1:].any()


def test_its_gradient_is_that_of_finite_differences():
    values = scores().double().requires_grad_()

    def term(given):
        maps = given.softmax(-1)
        return disagreement(maps[0], [1, 2], [3]) + disagreement(maps[2], [1], [2, 3])

    assert torch.autograd.gradcheck(term, (values,))


def test_a_word_may_be_several_tokens(model):
    [place] = located(model.tokenizer, ["a red cube"])  # a token a letter, behind the start token
    assert place == (0, [2, 3, 4], [5, 6, 7, 8])


def test_a_word_behind_the_last_token_is_left_out(model):
    assert located(model.tokenizer, ["a " * 80 + "red cube"]) == []
    places = located(model.tokenizer, ["nothing here", "a blue box and a red cube"])
    assert [place.row for place in places] == [1, 1]


def tokens_of(model, batch):
    x, _ = text_states(model, batch)
    return x


def test_each_cross_attention_is_looked_at_and_the_u_nets_word_stays_the_same(model):
    batch = training_batch(examples(), [0, 1], [5, 6], 1000)
    x, z = tokens_of(model, batch), batch.noise
    layers = [module for name, module in model.unet.named_modules() if name.endswith("attn2")]
    seen = []

    class Noted(Agreement):
        def add(self, scores):
            seen.append(scores)

    before = model.predict(z, batch.timesteps, x)
    with watched(model.unet, Noted(PAIRS[:1])):
        during = model.predict(z, batch.timesteps, x)
    assert torch.equal(before, during)
    assert len(seen) == len(layers) > 1
    assert not any(module._forward_pre_hooks for module in model.unet.modules())
    for values in seen:
        assert (values.shape[0], values.shape[-1]) == (2, 77)


def test_a_compiled_u_net_is_looked_at_too(monkeypatch):
    monkeypatch.setattr(torch._dynamo.config, "skip_nnmodule_hook_guards", True)
    model = tiny_models.load()
    batch = training_batch(examples(), [0, 1], [5, 6], 1000)
    training_unet.heed_hooks()
    model.unet.compile(backend="eager")
    x = tokens_of(model, batch)
    model.predict(batch.noise, batch.timesteps, x)  # compiled before anything looks
    seen = []

    class Noted(Agreement):
        def add(self, scores):
            seen.append(scores)

    with watched(model.unet, Noted(PAIRS[:1])):
        model.predict(batch.noise, batch.timesteps, x)
    assert seen


def test_the_maps_are_those_of_diffusers_own_attention(model):
    batch = training_batch(examples(), [0, 1], [5, 6], 1000)
    layer = next(module for name, module in model.unet.named_modules() if name.endswith("attn2"))
    inputs, seen = [], []
    hook = layer.register_forward_pre_hook(lambda _, given, named: inputs.append((given, named)), with_kwargs=True)

    class Noted(Agreement):
        def add(self, scores):
            seen.append(scores.softmax(-1))

    with watched(model.unet, Noted(PAIRS[:1])):
        model.predict(batch.noise, batch.timesteps, tokens_of(model, batch))
    hook.remove()
    (places,), named = inputs[0]
    query, key = layer.to_q(places), layer.to_k(named["encoder_hidden_states"])
    want = layer.get_attention_scores(layer.head_to_batch_dim(query), layer.head_to_batch_dim(key))
    assert torch.allclose(seen[0].flatten(0, 1), want, atol=1e-6)  # SDPA's own weights, which it does not tell


def test_no_pair_no_look(model):
    with watched(model.unet, Agreement([])):
        assert not any(module._forward_pre_hooks for module in model.unet.modules())


def losses(model, weight, rows=(0, 1, 2)):
    chosen = recipe({"kind": "llm4gen"}, {"entity_weight": weight})
    adapter = CrossAdapter(chosen.adapter, width=model.text_width, llm_width=tiny_models.LLM_WIDTH)
    batch = training_batch(examples(kind="llm4gen"), rows, [5 + row for row in rows], 1000)
    return adapter, batch_losses(adapter, adapter, model, batch, chosen.loss)


def test_the_term_reaches_the_adapter_and_counts_with_its_weight(model):
    adapter, got = losses(model, 0.5)
    assert got["entity"].item() > 0
    assert got["total"].item() == pytest.approx((got["denoising"] + 0.5 * got["entity"]).item(), rel=1e-6)
    got["entity"].backward()
    assert adapter.out.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in model.unet.parameters())


@pytest.mark.parametrize("parts", ["frozen", "cross_attention"])
def test_gradients_are_the_same_where_the_u_nets_blocks_are_run_twice(tmp_path, parts):
    model = tiny_models.load()
    model.unet.enable_gradient_checkpointing()
    settings = {"steps": 2, "unet": parts}
    figures = trainer(tmp_path / "run", recipe({"kind": "llm4gen"}, {"entity_weight": 1.0}, **settings), model=model)
    plain = trainer(tmp_path / "plain", recipe({"kind": "llm4gen"}, {"entity_weight": 1.0}, **settings))
    one, other = (each.run(silent).history[-1][1] for each in (figures, plain))
    assert one == pytest.approx(other, rel=1e-4)
    assert one["train/entity"] > 0


def test_the_term_runs_in_bf16_with_float32_masters(tmp_path):
    settings = {"steps": 1, "unet": "cross_attention", "precision": "bf16"}
    running = trainer(tmp_path, recipe({"kind": "llm4gen"}, **settings), model=tiny_models.load(torch.bfloat16))
    assert running.run(silent).history[0][1]["train/entity"] > 0


def test_a_weight_of_0_has_no_term_and_looks_at_nothing(model, monkeypatch):
    monkeypatch.setattr("pipeline.training_objective.watched", None)
    _, got = losses(model, 0.0)
    assert set(got) == {"total", "denoising", "denoising_weighted"}


def test_a_training_with_the_term_brings_the_maps_together(tmp_path):
    settings = {"learning_rate": 0.02, "warmup_steps": 0, "steps": 12, "unet": "cross_attention"}
    apart, together = (
        trainer(tmp_path / str(weight), recipe({"kind": "llm4gen"}, {"entity_weight": weight}, **settings))
        .run(silent)
        .last(3)["entity"]
        for weight in (1e-9, 100.0)
    )
    assert together < 0.7 * apart
