"""How good the miniature's models are, on held-out compositions that no training saw. All shares are 0 to 1."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from miniature import pictures, train_clip, train_everyday, train_llama, train_text_encoder
from miniature.language import Atom, atoms, complex_prompt, plain_sentence, simple_prompt
from miniature.oracle import judge
from miniature.training import device
from miniature.understanding import Meaning, understand
from miniature.words import Wording
from miniature.world import Scene, draw, sample_held_out_scene

GUIDANCE = 2.5
"""Chosen on training compositions, out of 1.5, 2.5, 4 and 6."""

_FIELDS = ("count", "colour", "kind", "action", "ground")
_FIELDS_OF_SHAPES = ("count", "colour", "kind", "ground")


def held_out(count: int, *, seed: int = 7) -> tuple[list[Scene], list[Image.Image]]:
    """Held-out scenes and their pictures."""
    rng = random.Random(seed)
    scenes = [sample_held_out_scene(rng) for _ in range(count)]
    return scenes, [draw(scene, rng.getrandbits(32)) for scene in scenes]


def share(hits: Iterable[bool]) -> float:
    """Share of true values, rounded to four digits."""
    return round(float(np.mean(list(hits))), 4)


def captions(said: Sequence[str], scenes: Sequence[Scene]) -> dict[str, float]:
    """Shares of captions that name each field right, and all of them, each of the group that has it.

    A single field is compared in any order of groups; action is asked of pictures of people only.
    """
    meanings = [(understand(text), Meaning.of(scene)) for text, scene in zip(said, scenes, strict=True)]
    asked = _FIELDS if any(_has(truth, "action") for _, truth in meanings) else _FIELDS_OF_SHAPES
    found = {
        field: share(meant.agrees(truth, field) for meant, truth in meanings if _has(truth, field)) for field in asked
    }
    found["all"] = share(meant.matches(truth) for meant, truth in meanings)
    return {f"caption_{field}_right": value for field, value in found.items()}


def _has(truth: Meaning, field: str) -> bool:
    return field != "action" or truth.groups[0].action is not None


@torch.no_grad()
def blip(model: Any, tokenizer: Any, *, count: int = 256) -> dict[str, float]:
    """Captions by beam search (3 beams), as the workflow asks for them."""
    scenes, drawn = held_out(count)
    said = []
    for start in range(0, count, 64):
        images = pictures.as_tensor(drawn[start : start + 64]).to(device())
        ids = model.generate(pixel_values=images, num_beams=3, max_length=40)
        said += tokenizer.batch_decode(ids, skip_special_tokens=True)
    return captions(said, scenes) | {"pictures": float(count)}


@torch.no_grad()
def clip(model: Any, tokenizer: Any, *, count: int = 256) -> dict[str, float]:
    """Retrieval among 64 pictures, and how the paper's rule (simple >= complex) falls, for own and swapped prompts."""
    rng = random.Random(11)
    scenes, drawn = held_out(count)
    seen = _unit(torch.cat([model.encode_image(part.to(device())) for part in pictures.as_tensor(drawn).split(64)]))
    texts = {
        "simple": [simple_prompt(scene, rng) for scene in scenes],
        "complex": [complex_prompt(scene, rng) for scene in scenes],
    }
    read_as = {name: _texts(model, tokenizer, prompts) for name, prompts in texts.items()}
    found = {f"retrieval_{name}_of_64": _retrieval(seen, states) for name, states in read_as.items()}
    own = {name: (seen * states).sum(-1) for name, states in read_as.items()}
    swapped = {name: (seen.roll(1, 0) * states).sum(-1) for name, states in read_as.items()}
    found["kept_by_paper_rule"] = share((own["simple"] >= own["complex"]).tolist())
    found["kept_by_paper_rule_when_swapped"] = share((swapped["simple"] >= swapped["complex"]).tolist())
    return found | {"pictures": float(count)}


def _unit(states: Tensor) -> Tensor:
    return torch.nn.functional.normalize(states, dim=-1)


def _texts(model: Any, tokenizer: Any, prompts: list[str]) -> Tensor:
    ids = tokenizer(prompts, padding=True, truncation=True, return_tensors="pt").input_ids.to(device())
    return _unit(train_clip.encode_short(model, ids))


def _retrieval(seen: Tensor, states: Tensor) -> float:
    """Share of texts whose own picture scores best among the 64 of its part."""
    hits = []
    for images, texts in zip(seen.split(64), states.split(64), strict=True):
        hits += ((texts @ images.T).argmax(-1).cpu() == torch.arange(len(images))).tolist()
    return share(hits)


@torch.no_grad()
def llama(model: Any, tokenizer: Any, *, count: int = 256) -> dict[str, float]:
    """Loss in nats a token on new sentences, and tokens right of the plain meaning, for seen and unseen words."""
    rng = random.Random(13)
    scenes = held_out(count)[0]
    found = {"loss": round(float(train_llama.loss(model, tokenizer, rng, count)), 4)}
    wordings: tuple[Wording, Wording] = ("seen", "unseen")
    for wording in wordings:
        heads = [f"{simple_prompt(scene, rng, wording=wording)} means" for scene in scenes]
        tails = [plain_sentence(scene) for scene in scenes]
        found[f"meaning_tokens_right_{wording}"] = _tails_right(model, tokenizer, heads, tails)
    return found | {"sentences": float(count)}


def _tails_right(model: Any, tokenizer: Any, heads: list[str], tails: list[str]) -> float:
    """Share of the tails' tokens that the model would say, given all before."""
    whole = [f"{head} {tail}" for head, tail in zip(heads, tails, strict=True)]
    ids = tokenizer(whole, padding=True, padding_side="right", return_tensors="pt").to(device())
    told = model(**ids).logits[:, :-1].argmax(-1) == ids.input_ids[:, 1:]
    hits: list[bool] = []
    for row, head, text in zip(told, heads, whole, strict=True):
        hits += row[len(tokenizer(head).input_ids) - 1 : len(tokenizer(text).input_ids) - 1].tolist()
    return share(hits)


@torch.no_grad()
def text_encoder(reader: Any, tokenizer: Any, *, count: int = 256) -> dict[str, float]:
    """Shares of prompts that the thrown-away heads read without a fault; `turned` is through everyday's rotation."""
    rng = random.Random(17)
    scenes = held_out(count)[0]
    texts = {
        "complex": [complex_prompt(scene, rng) for scene in scenes],
        "simple": [simple_prompt(scene, rng) for scene in scenes],
        "unseen": [simple_prompt(scene, rng, wording="unseen") for scene in scenes],
    }
    turn = train_everyday.rotation().to(device())
    found = {f"{name}_prompts_read": _read_right(reader, tokenizer, said, scenes) for name, said in texts.items()}
    return found | {
        f"{name}_prompts_read_turned": _read_right(reader, tokenizer, texts[name], scenes, turn)
        for name in ("simple", "unseen")
    }


def _read_right(
    reader: Any, tokenizer: Any, prompts: list[str], scenes: list[Scene], turn: Tensor | None = None
) -> float:
    ids = train_text_encoder.tokenize(tokenizer, prompts)
    ends = (ids == tokenizer.eos_token_id).int().argmax(dim=-1)
    logits = reader(ids.to(device()), ends.to(device()), turn)
    told = torch.stack([head.argmax(-1) for head in logits], dim=-1).cpu()
    return share((told == train_text_encoder.truth(scenes)).all(-1).tolist())


def shown(images: Sequence[Image.Image], scenes: Sequence[Scene]) -> dict[str, float]:
    """What the oracle sees: shares of pictures whose count, object colours, ground, action and all of it are right."""
    hits: dict[str, list[bool]] = {}
    for image, scene in zip(images, scenes, strict=True):
        asked = atoms(scene)
        verdicts = judge(image, asked)
        told = Counter[str]()
        for atom, verdict in zip(asked, verdicts, strict=True):
            told[_name(atom)] += not verdict["verdict"]
        for name, wrong in told.items():
            hits.setdefault(name, []).append(wrong == 0)
        hits.setdefault("all", []).append(told.total() == 0)
    return {f"{name}_right": share(values) for name, values in sorted(hits.items())}


def _name(atom: Atom) -> str:
    return "ground" if atom["class"] == "ground" else str(atom["skill"])


@torch.no_grad()
def autoencoder(vae: Any, *, count: int = 128) -> dict[str, float]:
    """Mean squared error (values -1 to 1) and what the oracle still reads right after encoding and decoding."""
    scenes, drawn = held_out(count)
    images = pictures.as_tensor(drawn).to(device())
    decoded = torch.cat([vae.decode(vae.encode(part).latent_dist.mean).sample for part in images.split(32)])
    right = shown(pictures.as_pictures(decoded), scenes)
    error = round(float((decoded - images).square().mean()), 5)
    return {"squared_error": error} | {f"decoded_{name}": value for name, value in right.items()}


def diffusion(
    parts: Mapping[str, Any], *, count: int = 128, steps: int = 20, guidance: float = GUIDANCE
) -> dict[str, float]:
    """What the oracle sees in pictures made from complex prompts, simple ones, and simple ones in unseen words."""
    rng = random.Random(19)
    scenes = held_out(count)[0]
    texts = {
        "complex": [complex_prompt(scene, rng) for scene in scenes],
        "simple": [simple_prompt(scene, rng) for scene in scenes],
        "unseen": [simple_prompt(scene, rng, wording="unseen") for scene in scenes],
    }
    found: dict[str, float] = {"pictures": float(count)}
    for name, prompts in texts.items():
        made = generate(parts, prompts, steps=steps, guidance=guidance)
        found |= {f"{name}_{key}": value for key, value in shown(made, scenes).items()}
    return found


def generate(
    parts: Mapping[str, Any], prompts: list[str], *, steps: int = 20, guidance: float = GUIDANCE, seed: int = 23
) -> list[Image.Image]:
    """Pictures of prompts by the pipeline, each with a seed of its own."""
    from miniature import architectures

    pipeline = architectures.pipeline(**parts).to(device())
    pipeline.set_progress_bar_config(disable=True)
    made: list[Image.Image] = []
    for start in range(0, len(prompts), 32):
        part = prompts[start : start + 32]
        seeds = [torch.Generator().manual_seed(seed + start + index) for index in range(len(part))]
        made += pipeline(part, num_inference_steps=steps, guidance_scale=guidance, generator=seeds).images
    return made
