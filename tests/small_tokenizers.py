"""Small tokenizers of the kinds that models use, trained in a second on text that is at hand."""

from __future__ import annotations

import argparse
import inspect
import json
import math
import random
from collections import Counter
from functools import cache
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

GERMAN = (
    "Der Versicherer hat dem Versicherungsnehmer rechtzeitig vor Abgabe von dessen Vertragserklärung die Bestimmungen "
    "mitzuteilen. Größere Änderungen müssen schriftlich begründet werden; § 7 Abs. 2 bleibt unberührt. "
)
CHINESE = (
    "合同双方应当按照约定全面履行自己的义务。"
    "当事人一方不履行合同义务的，应当承担继续履行、采取补救措施或者赔偿损失等违约责任。"
)

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
INST = "<s>{% for m in messages %}[INST] {{ m['content'] | trim }} [/INST]{% endfor %}"


@cache
def training_text() -> list[str]:
    rng = random.Random(0)
    lines = (inspect.getsource(argparse) + inspect.getsource(json)).splitlines()
    words = inspect.cleandoc(argparse.ArgumentParser.__doc__ or "").lower().split() + [
        "the",
        "of",
        "and",
        "to",
        "shall",
    ]
    prose = [" ".join(rng.choices(words, k=14)).capitalize() + f" {rng.randint(1, 99_999):,}." for _ in range(400)]
    return lines + prose + [GERMAN, CHINESE] * 20


def byte_level(pattern: str, template: str | None = CHATML) -> Any:
    """Byte-level BPE with a pre-tokeniser's pattern."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|bos|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=1500,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_text(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|bos|> $A", special_tokens=[("<|bos|>", tokenizer.token_to_id("<|bos|>"))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|bos|>", chat_template=template)


def gpt2_like() -> Any:
    """Line breaks are single tokens before a word; offsets leave the leading blank out."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1500,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_text(), trainer)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def words_of(tokenizer: Tokenizer) -> Counter[str]:
    """Words of the training text as a tokenizer's model would see them."""
    split, normalise = tokenizer.pre_tokenizer.pre_tokenize_str, tokenizer.normalizer.normalize_str
    return Counter(word for text in training_text() for word, _ in split(normalise(text)))


def pieces_of(words: Counter[str], mark: str = "") -> Counter[str]:
    """Parts of two to eight letters; a mark is put in front of those that do not begin a word."""
    pieces: Counter[str] = Counter()
    for word, count in words.items():
        for begin in range(len(word)):
            for end in range(begin + 2, min(len(word), begin + 8) + 1):
                pieces[(mark if begin else "") + word[begin:end]] += count
    return pieces


def commonest(pieces: Counter[str], most: int) -> Counter[str]:
    """Those that save most letters. The trainers of Unigram and WordPiece give another vocabulary each time."""
    ordered = sorted(pieces, key=lambda piece: (-pieces[piece] * len(piece), piece))
    return Counter({piece: pieces[piece] for piece in ordered[:most]})


def unigram() -> Any:
    """SentencePiece Unigram as in T5: blanks collapse, words are marked in front, an end mark behind, no template."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    words = words_of(tokenizer)
    letters = Counter(letter for word in words.elements() for letter in word)
    parts = letters | commonest(pieces_of(words), 1000)
    special = ["<pad>", "</s>", "<unk>"]
    scored = [(part, math.log(count / letters.total())) for part, count in sorted(parts.items())]
    tokenizer.model = models.Unigram([*((name, 0.0) for name in special), *scored], unk_id=2)
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>")


def llama2_like() -> Any:
    """SentencePiece BPE without a pre-tokeniser: merges may run over anything; a begin mark in the template."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")  # for training alone
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=1800, special_tokens=["<unk>", "<s>", "</s>", *byte_tokens], show_progress=False
    )
    tokenizer.train_from_iterator(training_text(), trainer)
    rules = json.loads(tokenizer.to_str())
    rules["pre_tokenizer"] = None
    rules["added_tokens"] = [token for token in rules["added_tokens"] if not token["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(rules))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", chat_template=INST
    )


def wordpiece() -> Any:
    """WordPiece as in BERT: lower case, blanks are in no token."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = words_of(tokenizer)
    heads = {letter for word in words for letter in word}
    tails = {f"##{letter}" for letter in heads}
    vocabulary = [*special, *sorted(heads), *sorted(tails), *sorted(commonest(pieces_of(words, "##"), 1200))]
    tokenizer.model = models.WordPiece({piece: number for number, piece in enumerate(vocabulary)}, unk_token="[UNK]")
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")


# The published patterns of Llama 3 and Qwen 2.
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"  # noqa: E501
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

KINDS = {
    "llama3-like": lambda: byte_level(LLAMA3),
    "qwen2-like without template": lambda: byte_level(QWEN2, template=None),
    "gpt2-like": gpt2_like,
    "unigram": unigram,
    "llama2-like": llama2_like,
    "wordpiece": wordpiece,
}
