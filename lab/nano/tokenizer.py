"""The embedded model's tokenizer: byte-level BPE in which every digit is a token of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

PAD, BOS, JUDGE, EOS = "<|pad|>", "<|bos|>", "<|judge|>", "<|eos|>"
_PIECES = r" ?[0-9]| ?[A-Za-z]+| ?[^\sA-Za-z0-9]|\s+"
_CHAT = (
    "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|judge|>{% endif %}"
)


def train_tokenizer(texts: Iterable[str], *, vocabulary: int) -> Any:  # noqa: ANN401 - untyped
    """A fast tokenizer learnt from texts; `vocabulary` counts the control tokens."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BOS, JUDGE, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        additional_special_tokens=[JUDGE],
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = _CHAT
    return fast
