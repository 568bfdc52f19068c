"""A server on loopback that answers as vLLM does: `/generative_scoring`, `/tokenize`, chat.

Written from vLLM's source, with its error shapes, the cut of prompts that are too
long, and the score that is the first label's alone. Unknown fields are taken, as there.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from aiohttp import web

from deemster.testing import Call, OpenAIServer, Raw

Chances = Callable[[str], Mapping[str, float]]
"""From a whole prompt to the probabilities of the next token, by the token's text."""
_PIECES = re.compile(r"<\|[a-z_]+\|>|\n+(?!\S)|\n| ?[A-Za-z0-9]{1,6}|[^A-Za-z0-9\n]")


class WordTokens:
    """Tokens of at most six letters, control tokens among them; ids by first appearance.

    As in GPT-2's tokenizer, the ends of two lines are one token only where nothing follows.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._ids: dict[str, int] = {}

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        return [self._id(piece) for piece in _PIECES.findall(text)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return "".join(self._texts[one] for one in ids)

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The chat, up to where the model goes on."""
        turns = (f"<|im_start|>{one['role']}\n{one['content']}<|im_end|>\n" for one in messages)
        return "".join(turns) + "<|im_start|>assistant\n"

    def _id(self, piece: str) -> int:
        if piece not in self._ids:
            self._ids[piece] = len(self._texts)
            self._texts.append(piece)
        return self._ids[piece]


class ScoringServer(OpenAIServer):
    """`with ScoringServer(chances) as server:`; faults and ledger are `OpenAIServer`'s.

    Args:
        chances: the model.
        tokens: the tokenizer; `encode`, `decode` and `render` of `WordTokens`.
        lacks: endpoints that the server does not have.
        tokenizes_chats: whether `/tokenize` takes messages: SGLang's does not.
        context: tokens of a prompt and its answer.
        served: the model's name at the server.
        errors: shape of error bodies: `nested` as today's, `flat` as older ones, `detail` as a
            router's.
        tamper: changes an answer of `/generative_scoring` before it is sent.
        options: of `OpenAIServer`.
    """

    paths = ("chat/completions", "tokenize", "detokenize", "generative_scoring")

    def __init__(
        self,
        chances: Chances,
        *,
        tokens: Any = None,
        lacks: Collection[str] = (),
        tokenizes_chats: bool = True,
        context: int = 4096,
        served: str = "judge-1",
        errors: str = "nested",
        tamper: Callable[[dict[str, Any]], Any] = lambda reply: reply,
        **options: Any,
    ) -> None:
        super().__init__(raw=self._respond, **options)
        self.chances = chances
        self.tokens = tokens or WordTokens()
        self.lacks = lacks
        self.tokenizes_chats = tokenizes_chats
        self.context = context
        self.served = served
        self.errors = errors
        self.tamper = tamper

    def next_token(self, ids: Sequence[int]) -> Mapping[str, float]:
        """What follows a prompt."""
        return self.chances(self.tokens.decode(ids))

    def asked(self, path: str) -> list[Call]:
        """The requests to an endpoint."""
        return [call for call in self.ledger.calls if call.url.endswith(path)]

    def _respond(self, call: Call) -> Raw | None:
        path = call.url.removeprefix("/v1") if "chat/" in call.url else call.url
        if path in self.lacks or path.removeprefix("/") not in self.paths:
            return self._error(404, "Not Found")
        named = call.body.get("model") or self.served
        if named != self.served:
            return self._error(
                404, f"The model `{named}` does not exist.", "NotFoundError", "model"
            )
        answer = {
            "/chat/completions": self._chat, "/tokenize": self._tokenize,
            "/detokenize": self._detokenize, "/generative_scoring": self._scored,
        }[path]  # fmt: skip
        try:
            return answer(call.body)
        except KeyError as error:
            return self._error(400, f"('body', {error}): Field required", "Bad Request")

    def _error(
        self, status: int, said: str, kind: str = "Not Found", param: str | None = None
    ) -> Raw:
        error = {"message": said, "type": kind, "param": param, "code": status}
        if self.errors == "flat":
            return Raw({"object": "error", **error}, status=status)
        if self.errors == "detail" and kind == "Not Found":
            return Raw({"detail": said}, status=status)
        return Raw({"error": error}, status=status)

    def _tokenize(self, body: dict[str, Any]) -> Raw:
        if "messages" in body and not self.tokenizes_chats:
            return self._error(422, "('body', 'prompt'): Field required", "Bad Request")
        text = self.tokens.render(body["messages"]) if "messages" in body else body["prompt"]
        ids = self.tokens.encode(text)
        return Raw({"count": len(ids), "max_model_len": self.context, "tokens": ids})

    def _detokenize(self, body: dict[str, Any]) -> Raw:
        return Raw({"prompt": self.tokens.decode(body["tokens"])})

    def _scored(self, body: dict[str, Any]) -> Raw:
        labels, items = body["label_token_ids"], body["items"]
        if not labels or not items:
            return self._error(400, "items must contain at least one item.", "BadRequestError")
        data, read = [], 0
        for index, item in enumerate(items):
            ids = self.tokens.encode(body["query"]) + self.tokens.encode(item)
            ids = ids[: self.context - 1]
            read += len(ids)
            chances = self.next_token(ids)
            found = [chances.get(self.tokens.decode([label]), 0.0) for label in labels]
            total = math.fsum(found) if body.get("apply_softmax", True) else 1.0
            data.append({"index": index, "object": "score", "score": found[0] / total})
        reply: dict[str, Any] = {
            "id": "generative-scoring-1", "object": "list", "created": 1, "model": self.served,
            "data": data,
        }  # fmt: skip
        if self.usage:
            reply["usage"] = {
                "prompt_tokens": read, "completion_tokens": len(items),
                "total_tokens": read + len(items),
            }  # fmt: skip
            self.ledger.tokens_in += read
            self.ledger.tokens_out += len(items)
        changed = self.tamper(reply)
        return Raw(changed if isinstance(changed, bytes) else json.dumps(changed).encode())

    def _chat(self, body: dict[str, Any]) -> Raw:
        prompt = self.tokens.render(body["messages"])
        ids = self.tokens.encode(prompt)
        chances = sorted(self.next_token(ids).items(), key=lambda one: -one[1])
        top = [
            {"token": text, "logprob": math.log(chance), "bytes": None}
            for text, chance in chances[: body["top_logprobs"]]
            if chance > 0
        ]
        read = len(ids)
        self.ledger.tokens_in += read
        self.ledger.tokens_out += 1
        choice = {
            "index": 0, "finish_reason": "length",
            "message": {"role": "assistant", "content": top[0]["token"]},
            "logprobs": {"content": [top[0] | {"top_logprobs": top}]},
        }  # fmt: skip
        usage = {"prompt_tokens": read, "completion_tokens": 1, "total_tokens": read + 1}
        return Raw({"id": "c", "model": self.served, "choices": [choice], "usage": usage})

    def routes(self, app: web.Application) -> None:
        """Every path: what is not there is a 404 of the server's own kind."""
        app.router.add_post("/{path:.*}", self._handle)
