"""Tokenizers of the four models: one token for each word of the world's languages, letters for any other word.

Byte-pair merges are learned here and not by the tokenizers library, whose trainer breaks ties differently in each run.
"""

import re
from collections import Counter
from itertools import pairwise
from typing import Any

from miniature import corpus

CONTEXT = 77
"""Tokens of a prompt, as CLIP has it."""

Merges = list[tuple[str, str]]


def clip_tokenizer(*, pad_token: str = "<|endoftext|>") -> Any:
    """A `CLIPTokenizer` over the corpus's words; Stable Diffusion pads with the end token, open_clip not."""
    from tokenizers import Regex, pre_tokenizers
    from transformers import CLIPTokenizer

    split = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    vocab, merges = _learned(split, ["<|pad|>", "<|startoftext|>"], suffix="</w>")
    vocab["<|endoftext|>"] = len(
        vocab
    )  # the highest id, as in CLIP: transformers takes an end token of id 2 for a fault
    return CLIPTokenizer(vocab=vocab, merges=merges, pad_token=pad_token, model_max_length=CONTEXT)


def llama_tokenizer() -> Any:
    """A fast tokenizer with LLaMA's special tokens; each text starts with `<s>`."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    split = pre_tokenizers.Sequence(
        [pre_tokenizers.ByteLevel(add_prefix_space=True), pre_tokenizers.Digits(individual_digits=True)]
    )
    vocab, merges = _learned(split, ["<pad>", "<s>", "</s>"], suffix="")
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", vocab["<s>"])])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", model_max_length=128
    )


def bert_tokenizer() -> Any:
    """A `BertTokenizerFast` for BLIP; `[DEC]` starts a caption, `[SEP]` ends it."""
    from transformers import BertTokenizerFast

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
    found = {word for text in corpus.everything() for word in re.findall(r"[a-z]+|[0-9]|[^\sa-z0-9]", text)}
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = [*specials, *sorted(found | set(letters)), *(f"##{letter}" for letter in letters)]
    vocab = {piece: index for index, piece in enumerate(pieces)}
    return BertTokenizerFast(vocab=vocab, additional_special_tokens=["[DEC]"], model_max_length=64)


def _learned(split: Any, specials: list[str], *, suffix: str) -> tuple[dict[str, int], Merges]:
    """Vocabulary and merges of a byte-level encoding in which every word of the corpus is one token.

    Args:
        split: the pre-tokenizer that cuts texts into words.
        specials: tokens that get the first ids.
        suffix: marks the end of a word; "" where words are marked by the space before them.
    """
    from tokenizers import pre_tokenizers

    pieces = {piece for text in set(corpus.everything()) for piece, _ in split.pre_tokenize_str(text)}
    merges = byte_pairs(sorted(pieces), suffix=suffix)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    ends = [letter + suffix for letter in letters] if suffix else []
    tokens = dict.fromkeys([*specials, *letters, *ends, *(first + second for first, second in merges)])
    return {token: index for index, token in enumerate(tokens)}, merges


def byte_pairs(pieces: list[str], *, suffix: str = "") -> Merges:
    """Merges that join each piece whole: the most frequent pair first, of equal ones the first in the alphabet.

    Source: Sennrich et al. 2016 (arXiv 1508.07909), Algorithm 1, every piece counted once.
    """
    split = [[*piece[:-1], piece[-1] + suffix] for piece in pieces]
    merges: Merges = []
    while pairs := Counter(pair for word in split for pair in pairwise(word)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        split = [_merged(word, best) for word in split]
    return merges


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    """The word with each occurrence of the pair joined, from left to right."""
    joined: list[str] = []
    for symbol in word:
        if joined and (joined[-1], symbol) == pair:
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return joined
