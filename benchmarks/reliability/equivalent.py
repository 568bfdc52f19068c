"""Mutants that mean the same as the code: no test can tell them. Why, by `Mutant.key`."""

from __future__ import annotations

_AS_LONG = "both are of one length: the check never fails"
_NO_EDGE = "nothing lies exactly where rounding is told from a difference"
_TIMES_0 = "it is multiplied by 0"
_QUICKER = "the same is found, less or more quickly"

EQUIVALENT: dict[str, str] = {
    "aggregators/base.py: if len(names) > 1:: Gt → GtE": (
        "one judge has the number 0 either way, in an array of its own"
    ),
    "aggregators/base.py: sums = (given * np.where(missing, 0.0, self.scores)).sum(axis=-2): "
    "0.0 → 1.0": _TIMES_0,
    "aggregators/base.py: for weight, score in zip(weights, given, strict=True): True → False": (
        _AS_LONG
    ),
    "aggregators/confidence.py: level, head = level + 1, rewards[i]: 1 → 2": (
        "levels are told apart and put in order, not counted"
    ),
    "aggregators/confidence.py: return bool((ballot.scores[valid] == "
    "ballot.scores[valid[0]]).all()): 0 → 1": "whichever they are all equal to",
    "aggregators/confidence.py: size = max(1, _CELLS_AT_ONCE // (resamples * "
    "(n + int(kind[0])))): 0 → 1": _QUICKER,
    "aggregators/reducers.py: low = np.argmax(cumulative >= half - close, axis=-2)"
    "[..., None, :]: GtE → Gt": _NO_EDGE,
    "aggregators/reducers.py: high = np.argmax(cumulative > half + close, axis=-2)"
    "[..., None, :]: Gt → GtE": _NO_EDGE,
    "aggregators/relative.py: change = np.abs(new - level).max(initial=0.0): Sub → Add": (
        "it goes on for all sweeps, and the levels do not move"
    ),
    "aggregators/reliability.py: loading = np.full(n, 0.5): 0.5 → 1.5": (
        "it settles in the same place from either"
    ),
    "aggregators/relative.py: change = np.abs(new - level).max(initial=0.0): 0.0 → 1.0": _QUICKER,
    "aggregators/relative.py: if change <= 1e-12 * max(1.0, float(np.abs(level)"
    ".max(initial=0.0))):: LtE → Lt": _QUICKER,
    "aggregators/relative.py: seen, np.exp((low - np.where(np.isfinite(top), top, 0)) / "
    "self.temperature), 0: 0 → 1": "a vote without a highest score has no score",
    "aggregators/reliability.py: scaled = (scores - scores.mean(axis=0)) / "
    "np.where(spread > 0, spread, 1.0): 1.0 → 2.0": "0 is divided by it",
    "aggregators/reliability.py: scores = np.where(given > 0, ballot.filled - "
    "levels(ballot)[..., None], 0.0): Gt → GtE": _TIMES_0,
    "aggregators/reliability.py: strays = mean > 1e-12 * np.maximum(size, 1.0): Gt → GtE": (
        _NO_EDGE
    ),
    "aggregators/reliability.py: for _ in range(500):: 500 → 501": (
        "the weights have settled long before"
    ),
    "aggregators/reliability.py: return dict(zip(names, (float(weight) for weight in weights), "
    "strict=True)): True → False": _AS_LONG,
    "aggregators/stopping.py: return np.where(np.isnan(chance) | (size <= 0), 1.0, "
    "np.maximum(chance, 1e-12)): 1.0 → 2.0": "one less this is clipped to 0 either way",
    "aggregators/relative.py: _SWEEPS = 200: 200 → 201": "the levels have settled before",
    "backends/gate.py: return Throttler(rate_limit=limit, period=period, retry_interval=period / "
    "50): 50 → 51": "how late the window is found open, by a thousandth of it",
    "backends/limits.py: if took >= 0.99 * left:  # timers are not exact: GtE → Gt": (
        "no attempt takes exactly so long"
    ),
    "dialects/criteria.py: for (name, description, _), weight in zip(found, shares(weights), "
    "strict=True): True → False": _AS_LONG,
    "dialects/criteria.py: for top, end in zip(tops, ends, strict=True):: True → False": _AS_LONG,
    "dialects/criteria.py: weights = [1.0] * len(found): 1.0 → 2.0": (
        "the shares of equal weights are equal"
    ),
    "dialects/grm.py: _NUMBERS = Scale(low=-1e9, high=1e9, integer=False): 1000000000.0 → "
    "1000000001.0": "a number has at most nine digits before its point",
    "dialects/json_schema.py: for p, weight in zip(document.principles, weights, strict=True): "
    "True → False": _AS_LONG,
    "dialects/labels.py: labels.sort(key=lambda found: found[1]): 1 → 2": (
        "no label is inside another: they end in the order in which they start"
    ),
    "dialects/marked.py: start = 0: 0 → 1": "set again before it is read",
    "dialects/mentions.py: _FEW = 32: 32 → 33": _QUICKER,
    "dialects/mentions.py: if len(starts) <= _FEW:: LtE → Lt": _QUICKER,
    "dialects/mentions.py: if len(starts) <= _FEW:: condition turned": _QUICKER,
    "dialects/reasoning.py: if closing.end >= self._run:: GtE → Gt": _QUICKER,
    "dialects/reasoning.py: if closing.end >= self._run:: condition turned": _QUICKER,
    "dialects/reasoning.py: if start < begin:: Lt → LtE": "found again, it is at the same place",
    "dialects/reasoning.py: self._many = 4: 4 → 5": _QUICKER,
    "sqlite_file.py: if not _is_locked(error) or time.monotonic() > deadline:: Gt → GtE": (
        "the clock does not meet the deadline exactly"
    ),
    "suites/store_format.py: _KEYS = "
    '{"run": 1, "judges": 1, "samples": 1, "votes": 3, "verdicts": 2}: 1 → 2': (
        "the first column tells the rows apart and orders them"
    ),
    "suites/store_format.py: _KEYS = "
    '{"run": 1, "judges": 1, "samples": 1, "votes": 3, "verdicts": 2}: 2 → 3': (
        "the first two columns tell the rows apart and order them"
    ),
    "suites/store_format.py: _KEYS = "
    '{"run": 1, "judges": 1, "samples": 1, "votes": 3, "verdicts": 2}: 3 → 4': (
        "the first three columns tell the rows apart and order them"
    ),
    "suites/store.py: for number, pair in enumerate(zip(old, new, strict=True)):: True → False": (
        _AS_LONG
    ),
}
