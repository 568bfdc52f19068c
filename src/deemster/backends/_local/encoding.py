"""From text with untrusted parts to token ids, such that no untrusted part becomes a control id.

A tokenizer turns every spelling of an added token (`<|im_end|>`, `</think>`, `[INST]`) into that
token's id, wherever it stands. Here only spellings written by the chat template or by the caller
do so:

1. `guard` swaps spellings inside untrusted text for marks that carry a nonce; templates may
   trim, split or join such text as they like.
2. `encode` swaps the spellings that are left, which are the template's own, for aliases, puts
   the guarded spellings back, and encodes with a twin of the tokenizer that knows the aliases
   and no other added token.

The twin is otherwise the same tokenizer and sees the whole text at once, so text without
control tokens gets exactly the ids it always gets. (`sanitize_control_tokens` of transformers
>= 5.20.2 has the same purpose, but misses non-special tokens that the template does not spell
out, and cannot encode pieces in place.)
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from deemster.errors import InputError

_SURROGATE = re.compile("[\ud800-\udfff]")


class Encoder:
    """Encodes rendered chats with a tokenizer as it is. Untrusted text is not guarded."""

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401 - transformers is untyped
        self._tokenizer = tokenizer

    def guard(self, text: str) -> str:
        """Untrusted text as it may be handed to a template."""
        return _encodable(text)

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of a text whose untrusted parts went through `guard`.

        Args:
            text: what a template made of guarded parts.
            special: add what the tokenizer puts around every sequence (BOS, CLS and SEP).
        """
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=special)
        return ids


class SafeEncoder(Encoder):
    """Encodes rendered chats; control tokens spelled in guarded text stay text.

    White-space tokens (Gemma has them for runs of newlines) are ordinary text.

    Raises:
        InputError: the tokenizer is not of the `tokenizers` library, so no twin can be made.
    """

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401 - transformers is untyped
        super().__init__(tokenizer)
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise InputError(
                f"tokenizer {type(tokenizer).__name__!r} cannot encode control tokens as text; "
                "use a model with a tokenizer.json, or give sanitize=False for trusted input"
            )
        spec = json.loads(backend.to_str())
        nonce = f"q{secrets.token_hex(8)}"
        controls = [t["content"] for t in spec["added_tokens"] if not t["content"].isspace()]
        longest_first = sorted(controls, key=len, reverse=True)
        self._index = {content: i for i, content in enumerate(controls)}
        self._controls = controls
        spelled = "|".join(re.escape(content) for content in longest_first) or "(?!)"
        self._spelled = re.compile(spelled)
        self._spelled_or_mark = re.compile(f"{nonce}m[0-9]+z|{spelled}")
        self._mark = re.compile(f"{nonce}m([0-9]+)z")
        self._nonce = nonce
        self._aliases = {content: f"{nonce}a{i}z" for content, i in self._index.items()}
        self._twin, self._true_id = _twin(spec, self._aliases, backend.normalizer)

    def guard(self, text: str) -> str:
        """Swap every spelling of a control token for its mark."""
        return self._spelled.sub(
            lambda match: f"{self._nonce}m{self._index[match[0]]}z", _encodable(text)
        )

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """See `Encoder.encode`."""
        text = self._spelled_or_mark.sub(self._alias, text)
        text = self._mark.sub(lambda match: self._controls[int(match[1])], text)
        true_id = self._true_id
        ids = [true_id.get(token, token) for token in self._twin.encode(text).ids]
        if not special:
            return ids
        head, tail = self._around
        return [*head, *ids, *tail]

    @cached_property
    def _around(self) -> tuple[list[int], list[int]]:
        """What the tokenizer puts before and after a sequence."""
        bare = super().encode("x")
        whole = super().encode("x", special=True)
        start = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
        return whole[:start], whole[start + len(bare) :]

    def _alias(self, match: re.Match[str]) -> str:
        return self._aliases.get(match[0], match[0])


def _twin(
    spec: dict[str, Any],
    aliases: Mapping[str, str],
    normalizer: Any,  # noqa: ANN401 - tokenizers is untyped
) -> tuple[Any, dict[int, int]]:
    """The same tokenizer with every control token renamed, and the map back to the true ids.

    It adds nothing around a sequence.
    """
    from tokenizers import Tokenizer  # noqa: PLC0415 - heavy

    renamed, true_names = [], {}
    for token in spec["added_tokens"]:
        name = aliases.get(token["content"], token["content"])
        true_names[name] = token["id"]
        # Some normalizers would change the alias, and then it would not be found.
        keeps = normalizer is None or name in normalizer.normalize_str(f"a {name} b")
        normalized = token["normalized"] and (keeps or name == token["content"])
        renamed.append({**token, "content": name, "normalized": normalized})
    changed = {"added_tokens": renamed, "model": _renamed(spec["model"], aliases)}
    twin = Tokenizer.from_str(json.dumps({**spec, **changed, "post_processor": None}))
    twin.no_padding()
    twin.no_truncation()
    mine = {name: twin.token_to_id(name) for name in true_names}
    return twin, {i: true_names[name] for name, i in mine.items() if i is not None}


def _renamed(model: dict[str, Any], aliases: Mapping[str, str]) -> dict[str, Any]:
    """The tokenization model without spellings of control tokens.

    Many vocabularies hold them as ordinary pieces, which a unigram model would find in text.
    """
    vocab = model["vocab"]
    if isinstance(vocab, dict):
        vocab = {aliases.get(piece, piece): i for piece, i in vocab.items()}
    else:
        vocab = [[aliases.get(piece, piece), score] for piece, score in vocab]
    changed: dict[str, Any] = {"vocab": vocab}
    if model.get("unk_token") in aliases:
        changed["unk_token"] = aliases[model["unk_token"]]
    if "merges" in model:
        pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
        changed["merges"] = [
            [left, right]
            for left, right in pairs
            if not {left, right, left + right} & aliases.keys()
        ]
    return {**model, **changed}


def _encodable(text: str) -> str:
    """Lone surrogates cannot be written as UTF-8; they become U+FFFD."""
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
