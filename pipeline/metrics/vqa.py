"""BLIP as a judge: the probability that it answers "yes" to a question about a picture."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from PIL import Image

from pipeline.errors import ModelError
from pipeline.metrics import whole_models
from pipeline.metrics.noun_chunks import noun_chunks
from pipeline.metrics.settings import VqaJudge

CHUNKS = "noun_chunks"
"""Skill of an atom that stands for a whole prompt: T2I-CompBench asks for its noun chunks one by one."""
YES = 0.5
SIDE_PX = 480
"""T2I-CompBench's side of a picture, whatever the model's folder was made for."""
MOST_TOKENS = 35
"""Of a question, both ends among them."""
ASKED = "[ENC]"
"""The token by which BLIP begins a text that is read beside a picture."""
DROPPED = str.maketrans("", "", '.!"()*#:;~')
"""Marks that BLIP's questions are rid of."""
PYes = Callable[[Image.Image, Sequence[str]], list[float]]


class BlipVqa:
    """P(yes) of questions by a ``BlipForQuestionAnswering``.

    Args:
        config: model, revision and dtype.
        device: a torch device.

    Raises:
        ModelError: the model cannot be loaded, or has no token for yes, for no or for the beginning of a question.
    """

    def __init__(self, config: VqaJudge, device: str) -> None:
        self._model, self._processor = whole_models.load(("BlipForQuestionAnswering", "BlipProcessor"), config, device)
        self._device, self._dtype = device, getattr(torch, config.dtype)
        self._yes, self._no = (self._processor.tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))
        if self._processor.tokenizer.unk_token_id in (self._yes, self._no):
            raise ModelError(f"the tokenizer of {config.model} knows no token for yes or for no")
        self._first = _first_token(self._processor.tokenizer, self._model.config.text_config)
        if self._first is None:
            raise ModelError(f"{config.model} has no token {ASKED}, by which BLIP begins a question")

    @torch.no_grad()
    def p_yes(self, picture: Image.Image, questions: Sequence[str]) -> list[float]:
        """P(yes) / (P(yes) + P(no)) at the answer's first token, 0 to 1, one a question.

        Three calls as in T2I-CompBench's ``vqa_prob``: picture, question that sees it, the answer's first token. The
        picture has 480 pixels a side, to which the model's positions are stretched (ADR 0031).
        """
        shown = picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
        pixels = self._processor.image_processor(shown, do_resize=False, return_tensors="pt")["pixel_values"]
        pixels = pixels.to(self._device, self._dtype)
        seen = self._model.vision_model(pixel_values=pixels, interpolate_pos_encoding=True)[0]  # (1, places, width)
        return [self._asked(seen, question) for question in questions]

    def _asked(self, seen: torch.Tensor, question: str) -> float:
        """One question alone: its bits do not depend on the padding that others ask for."""
        plain = question.lower().translate(DROPPED).rstrip()
        cut = {"truncation": True, "max_length": MOST_TOKENS}
        asked = self._processor.tokenizer(plain, **cut, return_tensors="pt").to(self._device)
        asked["input_ids"][:, 0] = self._first  # the tokenizer's own is [CLS]
        mask = torch.ones(seen.shape[:2], dtype=torch.long, device=self._device)
        understood = self._model.text_encoder(
            input_ids=asked["input_ids"],
            attention_mask=asked["attention_mask"],
            encoder_hidden_states=seen,
            encoder_attention_mask=mask,
        )[0]
        start = torch.full((1, 1), self._model.decoder_start_token_id, device=self._device)
        logits = self._model.text_decoder(
            input_ids=start, encoder_hidden_states=understood, encoder_attention_mask=asked["attention_mask"]
        ).logits[0, -1]
        return float(torch.sigmoid((logits[self._yes] - logits[self._no]).double()))


def _first_token(tokenizer: Any, config: Any) -> int | None:
    """Id of ``[ENC]``; None where the model has none.

    BLIP's tokenizer is BERT's with ``[DEC]`` and ``[ENC]`` behind its words, 30522 and 30523. Published folders of
    transformers have both in the model's embedding, and BERT's words alone in the tokenizer.
    """
    known = tokenizer.convert_tokens_to_ids(ASKED)
    if known != tokenizer.unk_token_id:
        return int(known)
    behind = int(config.bos_token_id) + 1  # bos is [DEC]
    return behind if len(tokenizer) <= behind < config.vocab_size else None


def ask(p_yes: PYes, picture: Image.Image, atoms: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Answers to the atoms that have a question, each for itself.

    Args:
        p_yes: of a picture and questions.
        picture: RGB.
        atoms: of the prompt.
    """
    answers = []
    for index, atom in enumerate(atoms):
        if is_asked(atom):
            p, reason = _probability(p_yes, picture, atom)
            answers.append({"atom": index, "p": p, "verdict": p >= YES, "reason": reason})
    return answers


def is_asked(atom: Mapping[str, Any]) -> bool:
    """Whether this judge can answer an atom."""
    return bool(atom.get("question"))


def _probability(p_yes: PYes, picture: Image.Image, atom: Mapping[str, Any]) -> tuple[float, str]:
    if atom["skill"] != CHUNKS:
        p = p_yes(picture, [str(atom["question"])])[0]
        return p, f"P(yes) {p:.3f}"
    chunks = noun_chunks(str(atom["question"]))
    found = p_yes(picture, [f"{chunk}?" for chunk in chunks])
    told = ", ".join(f"{chunk} {p:.3f}" for chunk, p in zip(chunks, found, strict=True))
    return prod(found), told or "no noun chunk"
