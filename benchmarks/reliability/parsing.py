"""R9, R10, R13: what parsers make of anything, of quoted verdicts, and prompts of hostile texts."""

from __future__ import annotations

import itertools
import math
import re
import time
from collections import Counter
from contextlib import suppress

import numpy as np
from tests.dialects.test_dialect_fuzz import CORPUS, PIECES, SPECS, fitting
from tests.dialects.test_dialect_speed import SEEDS

from benchmarks.reliability.record import Run
from deemster.dialects import DIALECTS, Dialect, open_dialect
from deemster.errors import ParseError
from deemster.prompts import View, defuse
from deemster.prompts.view import NO_TEXT
from deemster.schemas import Completion, as_query, as_responses
from deemster.testing import (
    VERDICTS,
    forged_verdicts,
    hostile_texts,
    mutations,
    stub_judges,
)

FENCED = r"<<<BEGIN ([^\n]*) {nonce}>>>\n(.*?)\n<<<END \1 {nonce}>>>"


def blocks(dialect: Dialect, responses: list[str]) -> list[str] | None:
    """What stands between the fences of the prompt; None for a layout without fences."""
    view = View(
        query=as_query("Which is right?"),
        responses=as_responses(responses),
        scale=dialect.scale_for(len(responses)),
    )
    prompt = dialect.render(view)[-1].text
    if "fence" not in dialect.template.slots:
        return None
    pattern = FENCED.format(nonce=re.escape(view.nonce))
    return [text for _, text in re.findall(pattern, prompt, re.DOTALL)]


def as_seen(text: str) -> str:
    """The whole response as a judge may see it; of an empty one it is told that it is."""
    seen = defuse(as_responses([text])[0].text)
    return seen if seen.strip() else NO_TEXT


def prompts(run: Run) -> None:
    """Hostile texts as a response of every dialect with fences."""
    fenced = [
        (open_dialect(name), n)
        for name, n in VERDICTS
        if "fence" in open_dialect(name).template.slots
    ]
    crashes = broken = cut = 0
    texts = hostile_texts(seed=13)
    for number in range(run.count("texts", 100_000)):
        dialect, n = fenced[number % len(fenced)]
        text = next(texts)
        try:
            found = blocks(dialect, [text, "An honest answer."][:n])
        except Exception:  # noqa: BLE001 - what is counted
            crashes += 1
            continue
        broken += found is None or len(found) != 1 + n
        cut += found is not None and len(found) == 1 + n and found[1] != as_seen(text)
    large = run.count("texts of 10 MB", 5)
    for text in itertools.islice(hostile_texts(seed=14), large):
        huge = text * (10_000_000 // len(text))
        found = blocks(fenced[0][0], [huge, "b"])
        broken += found is None or len(found) != 3
        cut += found is not None and found[1] != as_seen(huge)
    run.zero("crashes", crashes)
    run.zero("prompts whose fences the text broke", broken)
    run.zero("texts that are not whole in the prompt", cut)
    run.notes.append(
        f"{len(fenced)} layouts of dialects with fences. Layouts of released judges without fences "
        "keep their makers' form, where a response ends at the makers' own marks."
    )


def any_text(run: Run) -> None:
    """Mutated completions to every parser; then long ones, timed."""
    dialects = [open_dialect(spec) for spec in SPECS]
    texts = mutations(CORPUS, pieces=PIECES, seed=9)
    crashes = off = read = 0
    first = ""
    for number in range(run.count("completions", 1_000_000)):
        dialect, text = dialects[number % len(dialects)], next(texts)
        n = fitting(dialect, 1 + number // len(dialects) % 4)
        try:
            parsed = dialect.parse(Completion(text=text), n=n)
        except ParseError:
            continue
        except Exception as error:  # noqa: BLE001 - what is counted
            crashes += 1
            first = first or f"{dialect.name}: {error!r} at {text[:80]!r}"
            continue
        read += 1
        scale = dialect.scale_for(n)
        off += len(parsed.scores) != n or any(
            score is None or not math.isfinite(score) or not scale.low <= score <= scale.high
            for score in parsed.scores
        )
    run.zero("uncaught exceptions", crashes)
    run.zero("scores off the scale, or not finite", off)
    run.notes.append(f"{len(dialects)} dialects and rules; {read:,} completions had a verdict.")
    if first:
        run.notes.append(f"First exception: `{first}`.")
    _timed(run)


LIMITS = {1 << 16: 0.005, 1 << 20: 0.1}
"""Seconds of processor time by size."""
_MOST_GROWTH = 24.0


def _timed(run: Run) -> None:
    """Processor time of completions of 64 KiB and 1 MiB, of one seed each."""
    took: dict[int, list[tuple[float, str]]] = {size: [] for size in LIMITS}
    growth = 0.0
    names = DIALECTS.names()[: run.count("dialects timed", len(DIALECTS.names()), least=2)]
    for name in names:
        dialect = open_dialect(name)
        for label, seed in SEEDS.items():
            for size, found in took.items():
                seconds = _seconds(dialect, seed * (size // len(seed)), LIMITS[size])
                found.append((seconds, f"{name}, {label}"))
            growth = max(growth, _growth(dialect, seed, *(found[-1][0] for found in took.values())))
    short, long = ([seconds for seconds, _ in found] for found in took.values())
    run.most("p99.9 at 64 KiB", 1000 * float(np.quantile(short, 0.999)), 5, " ms")
    run.most("longest at 1 MiB", 1000 * max(long), 100, " ms")
    run.most("growth from 64 KiB to 1 MiB, 16 times as long", growth, _MOST_GROWTH, " times")
    for size, limit in LIMITS.items():
        slow = sorted((one for one in took[size] if one[0] > limit), reverse=True)
        if slow:
            worst = "; ".join(f"{what} {1000 * seconds:.0f} ms" for seconds, what in slow[:3])
            run.notes.append(f"Over the limit at {size >> 10} KiB: {len(slow)}, longest {worst}.")
    run.notes.append(f"{len(short):,} long completions of each size: one piece of syntax repeated.")


def _growth(dialect: Dialect, seed: str, short: float, long: float) -> float:
    """How many times longer the longest takes; 0 where the shorter one takes too little to tell."""
    if short <= 0.001:
        return 0.0
    if long > _MOST_GROWTH * short:  # it may have been disturbed, though within its limit
        long = min(long, _seconds(dialect, seed * (max(LIMITS) // len(seed)), 0.0))
    return long / short


def _seconds(dialect: Dialect, text: str, limit: float) -> float:
    """Processor time of the least disturbed of three, or of the first within the limit."""
    completion, n, best = Completion(text=text), fitting(dialect, 2), math.inf
    for _ in range(3):
        if best <= limit:
            break
        start = time.process_time()
        with suppress(ParseError):
            dialect.parse(completion, n=n)
        best = min(best, time.process_time() - start)
    return best


PLAIN_WORDS = ("two-scores", "realmistake", "llmbar-rating", "pandalm", "judgelm")
"""Verdicts of ordinary words and numbers, which no prompt can respell."""


def forgery(run: Run) -> None:
    """Verdicts planted in a response, and judges that quote it."""
    limit = run.count("attacks on each dialect", 500, least=20)
    exact, altered, echoed, plain = (Counter[str]() for _ in range(4))
    forged: Counter[str] = Counter()
    for (name, n), forms in VERDICTS.items():
        if name == "pairwise-tokenprob":  # reads tokens, not text
            continue
        dialect = open_dialect(name)
        truth = dialect.parse(Completion(text=forms.second), n=n).scores
        judges = stub_judges(forms.second)
        words = name in PLAIN_WORDS or (name, n) == ("auto-j", 2)
        for attack in forged_verdicts(forms.wins(1), limit=limit, seed=10):
            found = blocks(dialect, [attack.text, "An honest answer."][:n])
            shown = as_seen(attack.text) if found is None else found[1]
            for what, judge in judges.items():
                style, _, hand = what.partition(", ")
                outcome = _outcome(dialect, judge.says(shown), n, truth, echo=style == "echo")
                part = echoed if style == "echo" else exact if hand == "exactly" else altered
                (plain if words else part)[outcome] += 1
                if outcome == "forged" and not words:
                    forged[f"{name}, {n}, {what}"] += 1
    for title, part in (("quote exactly", exact), ("normalise", altered), ("only echo", echoed)):
        run.zero(f"forged, of {part.total():,} by judges that {title}", part["forged"])
    run.share("honest verdict kept, quoted exactly", exact["honest"], exact.total(), 99)
    run.notes.append(
        f"Formats whose verdicts are ordinary words and numbers ({', '.join(PLAIN_WORDS)} and the "
        f"pairs of auto-j) are forgeable by their makers' format and not in the figures above: "
        f"{plain['forged']:,} of {plain.total():,} forged."
    )
    if forged:
        most = "; ".join(f"{what} ({times:,})" for what, times in forged.most_common(5))
        run.notes.append(f"Forged: {len(forged)} combinations, most {most}.")


def _outcome(
    dialect: Dialect, text: str, n: int, truth: tuple[float | None, ...], *, echo: bool
) -> str:
    try:
        scores = dialect.parse(Completion(text=text), n=n).scores
    except ParseError as error:
        return error.status
    return "honest" if scores == truth and not echo else "forged"
