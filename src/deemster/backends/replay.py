"""Record any backend to a cassette, and play it back without the model.

```python
backend = RecordBackend("openai/gpt-5-mini", "run.cassette")   # asks what is missing
backend = open_backend("replay:run.cassette")                  # never asks
```
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from deemster.backends.base import (
    EMBEDDED,
    SMOL,
    Backend,
    DrawsOneByOne,
    Outcome,
    Request,
    generate_all,
    only_dialect,
)
from deemster.backends.cassette import Cassette, messages_hash, prompt_id, seed_of
from deemster.backends.registry import open_backend
from deemster.errors import CassetteMissError, InputError
from deemster.schemas import Completion, Usage

RecordMode = Literal["new", "all"]
"""`new` asks the model only for draws that are not in the cassette; `all` asks for every draw
and replaces what was recorded."""


class RecordBackend:
    """Passes requests to another backend and records what comes back.

    Failed draws are passed on and not recorded, so the next run asks for them again. Its name is
    that of the inner backend: judges, keys and fingerprints are the same with and without it.

    Args:
        inner: the backend that is recorded, which stays the caller's to close, or its model
            string.
        path: the cassette; made if missing.
        mode: see `RecordMode`.

    Raises:
        InputError: `mode` is neither, or the file is no usable cassette.
    """

    def __init__(self, inner: Backend | str, path: str | Path, *, mode: RecordMode = "new") -> None:
        if mode not in get_args(RecordMode):
            raise InputError(
                f"unknown record mode {mode!r}; known: {', '.join(get_args(RecordMode))}"
            )
        self._opened: Backend | None = None
        if isinstance(inner, str):
            inner = self._opened = open_backend(inner)
        self.inner = inner
        self.mode = mode
        self.spent = Usage()
        """What the inner backend was asked for since this was made; recorded draws cost nothing."""
        with Cassette(path) as cassette:
            cassette.models()  # not a cassette? say so now, not at the first vote
        self.cassette = cassette

    @property
    def name(self) -> str:
        """The inner backend's name."""
        return self.inner.name

    @property
    def dialect(self) -> str | None:
        """The inner backend's only dialect, if it has one."""
        return only_dialect(self.inner)

    async def generate(self, request: Request) -> list[Outcome]:
        """Recorded draws from the cassette, the others from the inner backend.

        Draws with one key (a seed used twice) are one draw: asked for once, given twice.
        """
        # In a thread: another process may hold the file for a while.
        keys = [request.key(self.name, draw) for draw in range(request.n)]
        held: dict[str, Outcome] = {}
        if self.mode == "new":
            held.update(await asyncio.to_thread(self.cassette.get, keys))
        missing = sorted({key: i for i, key in enumerate(keys) if key not in held}.values())
        if missing and isinstance(self.inner, DrawsOneByOne) and self.inner.one_by_one:
            # Draws that are requests of their own are kept as each comes, not when all have.
            for asked in await asyncio.gather(*(self._ask(request, [i]) for i in missing)):
                held.update(asked)
        elif missing:
            held.update(await self._ask(request, missing))
        return [held[key] for key in keys]

    async def _ask(self, request: Request, draws: list[int]) -> dict[str, Outcome]:
        """Outcomes of some draws from the inner backend, by key; completions are recorded."""
        part = _part(request, draws)
        outcomes = await generate_all(self.inner, part)
        self.spent += Usage.total(outcome.usage or Usage() for outcome in outcomes)
        keys = [part.key(self.name, draw) for draw in range(part.n)]
        held: dict[str, Outcome] = dict(zip(keys, outcomes, strict=True))
        fresh = {i: out for i, out in enumerate(outcomes) if isinstance(out, Completion)}
        if fresh:
            kept = await self._keep(part, fresh)
            held.update({keys[i]: completion for i, completion in kept.items()})
        return held

    async def _keep(self, part: Request, fresh: dict[int, Completion]) -> dict[int, Completion]:
        """Record what was paid for, before anything else happens.

        Written on the loop, without a turn for other tasks: a process that is killed then loses
        no more than the requests it had in flight. A thread waits only for another process.
        """
        put = partial(self.cassette.put, part, self.name, fresh, replace=self.mode == "all")
        try:
            return put(wait=False)
        except BlockingIOError:
            return await asyncio.to_thread(put)

    async def aclose(self) -> None:
        """Fold the cassette into one file, and close the inner backend if it was opened here."""
        try:
            await asyncio.to_thread(self.cassette.close)
        finally:
            if self._opened is not None:
                await self._opened.aclose()


class ReplayBackend:
    """Answers from a cassette and never asks a model.

    The completions are those recorded, usage included. A draw that was never recorded is a
    `CassetteMissError` that says what differs from what was.

    Args:
        cassette: path of the file; `PATH#MODEL` where it holds several models.
        model: the same choice as an option.

    Raises:
        InputError: there is no such file, it is no cassette, it is empty, or the model is not
            (or not uniquely) in it.
    """

    def __init__(self, cassette: str | Path, *, model: str | None = None) -> None:
        path = str(cassette)
        if model is None and "#" in path and not Path(path).exists():
            path, _, model = path.rpartition("#")
        with Cassette(path, readonly=True) as recorded:
            self.name = _choose(recorded, model)
        scheme = self.name.partition("@")[0]
        self.dialect = scheme if scheme in (EMBEDDED, SMOL) else None
        self.cassette = recorded

    async def generate(self, request: Request) -> list[Outcome]:
        """Look every draw up. No waiting: readers of a cassette never wait for its writers."""
        keys = [request.key(self.name, draw) for draw in range(request.n)]
        found = self.cassette.get(keys)
        if len(found) == len(set(keys)):
            return [found[key] for key in keys]
        hint = _difference(self.cassette, request, self.name)
        return [
            found.get(key) or _miss(self.cassette.path, key, seed_of(request, draw), hint)
            for draw, key in enumerate(keys)
        ]

    async def aclose(self) -> None:
        """Close the file; the next request opens it again."""
        self.cassette.close()


def _part(request: Request, draws: list[int]) -> Request:
    """The same request for some of its draws only."""
    if len(draws) == request.n:
        return request
    # A draw without a seed is identified by its number, so its number becomes its seed.
    seeds = tuple(seed_of(request, draw) for draw in draws)
    return request.model_copy(update={"n": len(draws), "seeds": seeds})


def _choose(cassette: Cassette, model: str | None) -> str:
    models = cassette.models()
    if model in models or (model is None and len(models) == 1):
        return model or models[0]
    path = str(cassette.path)
    if not models:
        raise InputError(f"cassette {path!r} holds no recordings")
    known = ", ".join(f"replay:{path}#{name}" for name in models)
    if model is None:
        raise InputError(f"cassette {path!r} holds {len(models)} models; choose one: {known}")
    raise InputError(f"cassette {path!r} does not hold the model {model!r}; it holds: {known}")


def _miss(path: Path, key: str, seed: int, hint: str) -> CassetteMissError:
    return CassetteMissError(
        f"draw {key} (seed {seed}) is not in cassette {str(path)!r}: {hint}. "
        "Record it with RecordBackend, or judge with the settings of the recording"
    )


def _difference(cassette: Cassette, request: Request, model: str) -> str:
    """What tells a request apart from the recorded one that is most like it."""
    seeds = cassette.seeds(prompt_id(request, model))
    if seeds:
        shown = ", ".join(map(str, seeds[:8])) + (", …" if len(seeds) > 8 else "")
        return f"this prompt was recorded with {len(seeds)} other seeds ({shown})"
    same = cassette.requests(messages=messages_hash(request))
    here = [recorded for name, recorded in same if name == model]
    if here:
        return "these messages were recorded with " + min(
            (_settings(recorded, request) for recorded in here), key=len
        )
    if same:
        return f"these messages were recorded for another model, {same[0][0]!r}"
    recorded_texts = [_text(recorded) for _, recorded in cassette.requests(model=model)]
    return _first_difference(recorded_texts, _text(request))


def _settings(recorded: Request, asked: Request) -> str:
    """The settings that differ, as `name A instead of B`."""
    pairs = [
        (f"sampling.{name}", getattr(recorded.sampling, name), getattr(asked.sampling, name))
        for name in type(asked.sampling).model_fields
    ]
    pairs.append(("prefix", recorded.prefix, asked.prefix))
    changes = [f"{name} {old!r} instead of {new!r}" for name, old, new in pairs if old != new]
    if recorded.json_schema != asked.json_schema:
        changes.append("another json_schema" if recorded.json_schema else "no json_schema")
    return ", ".join(changes)


def _text(request: Request) -> str:
    return "\n".join(f"[{message.role}] {message.text}" for message in request.messages)


def _first_difference(recorded: list[str], asked: str) -> str:
    """Where the recorded text that starts most like `asked` turns away from it."""
    shared, closest = max((_shared(text, asked), text) for text in recorded)
    if closest == asked:
        return "the same text was recorded with other images, names or tool calls"
    at = max(0, shared - 20)
    return (
        f"no prompt with these messages was recorded; the closest differs from character {shared} "
        f"on: recorded {closest[at : shared + 20]!r}, asked {asked[at : shared + 20]!r}"
    )


def _shared(one: str, other: str) -> int:
    """Length of the common start, by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
