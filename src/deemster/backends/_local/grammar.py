"""Grammar-constrained decoding: every completion matches the JSON Schema, also when room runs out.

llguidance says which tokens may come next. That alone does not give valid JSON: a text cut at
`max_tokens` is not closed. So each draw knows the tokens that would close its text from where it
stands (its *closing*), and three rules hold:

1. A token after which the closing would no longer fit into the room left is taken back, and the
   closing is followed instead.
2. When the room left comes within `_SLACK` tokens of the closing, strings and lists are ended:
   inside a string only its closing quote is allowed, where a list or object may end, nothing
   may be added to it, and a value is not written in one token with what comes after it.
3. Values are the model's. Numbers, enumerated values and booleans are always sampled among all
   that the schema allows, never filled in: the closing reserves room for the longest bounded
   number, and `_SLACK` covers enumerated values of different lengths. A number without bounds,
   or a choice between values whose lengths differ by more than that, may still run out of room;
   then the text is cut, and is no vote.

A text that was ended by rule 1 or 2 has `closed_early`, and its completion finishes with
`length`.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from llguidance import LLExecutor, LLMatcher, LLTokenizer
from llguidance.hf import from_tokenizer
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask_par
from numpy.typing import NDArray

from deemster.errors import BackendError

_SLACK = 32
"""Tokens before the last possible moment at which open strings and lists are ended."""
_LONGEST_CLOSING = 4096
_RESERVED_DIGITS = 4
_KEPT_GRAMMARS = 16
# Fixed separators: free white space would let a model write it until the room is used up.
LAYOUT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""What llguidance is told about JSON."""
# Characters that can stand in a string and nowhere else in JSON. Where a quote and this many of
# them may come next, a string is open: enumerated values never branch so widely.
_PROSE = bytes(set(range(32, 127)) - set(b'0123456789"{}[],:+-.\\ tfneE'))
_PROSE_COUNT = 8

# Real tokenizers have tokens of several characters, such as `"},` and `], "`. What counts is all of
# a token: one that ends a list may open an item of the next.
_CLOSES_STRING = re.compile(rb'"[\]}]*')
"""Tokens that end a string and open nothing."""
_ENDS = re.compile(rb"[0-9.eE+-]*[\]}]*")
"""Tokens that end a list or an object, or go on with a number before that."""
_VALUE_AND_MORE = re.compile(rb"[^\"\[\]{},:]+[^,\[{]*[,\[{].*", re.DOTALL)
"""Tokens that choose a value, or its end, and open what comes after it in one."""
_STRUCTURE = re.compile(rb'["\]}\[{,: ]+')
"""Tokens that choose no value."""

Bits = NDArray[np.uint8]


class GrammarError(BackendError):
    """The JSON Schema cannot be compiled, or nothing that fits it is short enough."""


class Vocabulary:
    """A tokenizer as llguidance sees it, and which tokens do what in JSON.

    Args:
        tokenizer: a fast tokenizer of transformers.
        size: number of logits.
        eos: ids that end a text.
    """

    def __init__(self, tokenizer: Any, size: int, eos: Sequence[int]) -> None:  # noqa: ANN401 - transformers is untyped
        self.ll: LLTokenizer = from_tokenizer(tokenizer, n_vocab=size, eos_token=list(eos))
        self.size = size
        self.executor = LLExecutor()
        self.eos = eos[0]
        self.eos_ids = frozenset(eos)
        texts = [self.ll.decode_bytes([token]) for token in range(size)]
        self.single: dict[int, int] = {
            text[0]: i for i, text in reversed(list(enumerate(texts))) if len(text) == 1
        }
        self.prose = [self.single[byte] for byte in _PROSE if byte in self.single]
        self.quotes = np.array([bool(_CLOSES_STRING.fullmatch(text)) for text in texts])
        self.ending = np.array([bool(text and _ENDS.fullmatch(text)) for text in texts])
        self.and_more = np.array([bool(_VALUE_AND_MORE.fullmatch(text)) for text in texts])
        self._grammars: OrderedDict[str, LLMatcher] = OrderedDict()

    def matcher(self, schema: Mapping[str, Any]) -> LLMatcher:
        """A fresh matcher for a JSON Schema.

        Raises:
            GrammarError: the schema uses something that cannot be turned into a grammar.
        """
        key = json.dumps(schema)
        if key not in self._grammars:
            grammar = LLMatcher.grammar_from_json_schema(key, overrides=LAYOUT)
            matcher = LLMatcher(self.ll, grammar)
            if matcher.is_error():
                problem = matcher.get_error().partition("\n")[0]
                raise GrammarError(f"the JSON Schema cannot be enforced: {problem}")
            self._grammars[key] = matcher
            if len(self._grammars) > _KEPT_GRAMMARS:
                self._grammars.popitem(last=False)
        self._grammars.move_to_end(key)
        return self._grammars[key].deep_copy()

    def bits(self, mask: NDArray[np.int32]) -> Bits:
        """A llguidance mask as zeros and ones, one per token along the last axis."""
        flat = np.unpackbits(mask.view(np.uint8), axis=-1, bitorder="little")
        return flat[..., : self.size]


class Constraint:
    """The grammar state of one draw.

    Args:
        vocabulary: of the model.
        matcher: a fresh one; it is kept.
        room: tokens the draw may take.
        prefix: text before the completion. If it is a beginning of the JSON, the completion
            goes on from there; otherwise the completion is the whole JSON.

    Raises:
        GrammarError: even the shortest text does not fit into the room.
    """

    def __init__(
        self, vocabulary: Vocabulary, matcher: LLMatcher, room: int, prefix: str = ""
    ) -> None:
        self._vocabulary = vocabulary
        tokens = vocabulary.ll.tokenize_str(prefix)
        self.matcher = matcher
        if tokens and matcher.validate_tokens(tokens) == len(tokens):
            matcher.consume_tokens(tokens)
        self._left = room
        self.closed_early = False
        closing = self._find_closing()
        if closing is None or len(closing) > room:
            needed = "an unknown number of" if closing is None else str(len(closing))
            raise GrammarError(
                f"max_tokens leaves {room} tokens, but the shortest text that matches the JSON "
                f"Schema takes {needed}; raise max_tokens"
            )
        self._closing = closing

    @property
    def done(self) -> bool:
        """Whether the JSON is complete and nothing can follow."""
        return bool(self.matcher.is_stopped())

    @property
    def complete(self) -> bool:
        """Whether the text so far is valid JSON."""
        return bool(self.matcher.is_accepting())

    def restrict(self, allowed: Bits) -> None:
        """Apply rule 2 to the tokens that the grammar allows, in place."""
        if len(self._closing) + _SLACK < self._left:
            return
        if self._in_string(allowed):
            narrowed = allowed & self._vocabulary.quotes
        elif self._allows(allowed, b"]") or self._allows(allowed, b"}"):
            narrowed = allowed & self._vocabulary.ending
        else:
            # What a value opens cannot be taken back without the value.
            apart = allowed & ~self._vocabulary.and_more
            allowed[:] = apart if apart.any() else allowed
            return
        if narrowed.any() and narrowed.sum() < allowed.sum():
            allowed[:] = narrowed
            self.closed_early = True

    def accept(self, token: int) -> int:
        """Take the sampled token, or by rule 1 another one; returns the one taken."""
        if not self.matcher.consume_token(token):
            raise GrammarError(f"token {token} does not fit: {self.matcher.get_error()}")
        before, self._left = self._closing, self._left - 1
        if before and before[0] == token:
            self._closing = before[1:]
        elif token == self._vocabulary.eos or self.done:
            self._closing = []
        else:
            found = self._closing_from(before)
            if (found is None or len(found) > self._left) and self._take_back(token, before):
                return before[0]
            self._closing = before if found is None else found
        return token

    def _closing_from(self, before: list[int]) -> list[int] | None:
        """The closing after a token that did not follow the one before; None if unknown."""
        if len(before) <= self._left and self._closes(before):
            return before
        return [] if self.complete else self._find_closing()

    def _take_back(self, token: int, closing: list[int]) -> bool:
        """Put the closing's first token in the place of the last, unless it chooses a value."""
        self.matcher.rollback(1)
        follows = bool(closing) and self._chooses_nothing(closing[0])
        self.matcher.consume_token(closing[0] if follows else token)
        if follows:
            self.closed_early = True
            self._closing = closing[1:]
        return follows

    def _closes(self, tokens: list[int]) -> bool:
        """Whether the tokens, and then the end, are allowed from here."""
        whole = [*tokens, self._vocabulary.eos]
        return bool(self.matcher.validate_tokens(whole) == len(whole))

    def _chooses_nothing(self, token: int) -> bool:
        """Whether a token that may come next is structure, or the only text there can be."""
        text = self._vocabulary.ll.decode_bytes([token])
        return bool(_STRUCTURE.fullmatch(text)) or self.matcher.compute_ff_tokens()[:1] == [token]

    def _allows(self, allowed: Bits, text: bytes) -> bool:
        token = self._vocabulary.single.get(text[0])
        return token is not None and bool(allowed[token])

    def _in_string(self, allowed: Bits) -> bool:
        if not self._allows(allowed, b'"'):
            return False
        return int(allowed[self._vocabulary.prose].sum()) >= _PROSE_COUNT

    def _find_closing(self) -> list[int] | None:
        """Tokens that end the text from here, with the longest bounded numbers; None if unknown.

        Not the shortest there are: strings end at once, lists and objects as soon as they may,
        and elsewhere the simplest token is taken.
        """
        vocabulary, state = self._vocabulary, self.matcher.deep_copy()
        mask = allocate_token_bitmask(1, vocabulary.size)
        closing: list[int] = []
        digits = 0
        while not state.is_accepting():
            forced = state.compute_ff_tokens()
            if not forced:
                fill_next_token_bitmask_par(vocabulary.executor, [(state, 0)], mask)
                forced = [self._simplest(vocabulary.bits(mask)[0], digits)]
            if len(closing) > _LONGEST_CLOSING or not state.consume_tokens(forced):
                return None
            closing += forced
            is_digit = vocabulary.ll.decode_bytes(forced[-1:]).isdigit()
            digits = digits + 1 if is_digit else 0
        return closing

    def _simplest(self, allowed: Bits, digits: int) -> int:
        if self._in_string(allowed):
            return self._vocabulary.single[ord('"')]
        order = b'}],:"1023456789'
        if digits < _RESERVED_DIGITS:  # 1, 10, 100: a bounded number at its longest
            order = (b"01" if digits else b"10") + b'}],:23456789"'
        for byte in order:
            token = self._vocabulary.single.get(byte)
            if token is not None and allowed[token]:
                return token
        return int(allowed.argmax())


def allowed_tokens(constraints: Sequence[Constraint], vocabulary: Vocabulary) -> Bits:
    """What each draw may take next: [draws, vocabulary], 1 where allowed."""
    mask = allocate_token_bitmask(len(constraints), vocabulary.size)
    states = [(constraint.matcher, row) for row, constraint in enumerate(constraints)]
    fill_next_token_bitmask_par(vocabulary.executor, states, mask)
    allowed = vocabulary.bits(mask)
    for constraint, row in zip(constraints, allowed, strict=True):
        constraint.restrict(row)
    return allowed
