"""R6: damage to a run store at random places."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from benchmarks.reliability.record import Run
from deemster.aggregators import Sum
from deemster.errors import InputError
from deemster.judges import decide
from deemster.schemas import Failure, JudgeInfo, Judgment, Sample, Usage, Verdict, Vote
from deemster.suites import RunStore
from deemster.suites.store_format import StoreError

_SAMPLES = 60
_INFO = JudgeInfo(name="j", model="fake", aggregator="sum()", k=3)
Contents = tuple[list[JudgeInfo], list[Sample], list[tuple[Sample, Verdict]]]


def damages(run: Run) -> None:
    """Bits, bytes, pages and tails of a store changed; it is read, or the damage is told."""
    n = run.count("damages", 1000)
    rng = random.Random(6)
    told = harmless = silent = crashed = long = 0
    with tempfile.TemporaryDirectory() as name:
        folder, copy = Path(name) / "run", Path(name) / "copy"
        _write(folder)
        data, whole = (folder / "run.sqlite").read_bytes(), _read(folder)
        copy.mkdir()
        for number in range(n):
            for file in copy.iterdir():
                file.unlink()
            (copy / "run.sqlite").write_bytes(_damaged(data, rng, number))
            try:
                found = _read(copy)
            except (StoreError, InputError) as error:
                told += 1
                long += len(str(error).splitlines()) != 1
            except Exception:  # noqa: BLE001 - what is counted
                crashed += 1
            else:
                harmless += found == whole
                silent += found != whole
    run.zero("damages that changed what was read, in silence", silent)
    run.zero("other exceptions than the store's own", crashed)
    run.zero("messages of more than one line", long)
    run.check(
        "told, or the same was read", f"{told:,} and {harmless:,}", f"{n:,} in all",
        met=told + harmless == n,
    )  # fmt: skip
    run.notes.append(
        "Four kinds in turn: one bit, the tail cut off, 512 zero bytes, two pages swapped. A store "
        "is read whole or refused: a cut store loses no record in silence. What is in a refused "
        "store's undamaged rows is said in its message."
    )


def _write(folder: Path) -> None:
    with RunStore(folder, write=True) as store:
        store.set_judges([_INFO])
        store.add_samples(
            Sample(id=f"s{i}", query=f"q {i}", responses=("a", "b"), ground_truth=(1, 0))
            for i in range(_SAMPLES)
        )
        for i in range(_SAMPLES):
            votes: list[Vote] = [
                Judgment(draw=0, scores=(8, 3), raw=f"Scores: \\boxed{{8, 3}} {i}" * 20),
                Failure(draw=1, status="timeout", message="late", error="BackendTimeout"),
                Judgment(draw=2, scores=(7, 3), usage=Usage(calls=1, tokens_in=i)),
            ]
            store.put(0, i, decide(votes, n=2, k=3, reducer=Sum(), info=_INFO))


def _read(folder: Path) -> Contents:
    with RunStore(folder) as store:
        samples = [sample for _, sample in store.samples()]
        return store.judges(), samples, list(store.verdicts(0))


def _damaged(data: bytes, rng: random.Random, number: int) -> bytes:
    spoilt = bytearray(data)
    at = rng.randrange(len(data))
    if number % 4 == 0:
        spoilt[at] ^= 1 << rng.randrange(8)
    elif number % 4 == 1:
        del spoilt[at:]
    elif number % 4 == 2:
        spoilt[at : at + 512] = bytes(len(spoilt[at : at + 512]))
    else:
        one, other = (4096 * rng.randrange(len(data) // 4096) for _ in range(2))
        spoilt[one : one + 4096] = data[other : other + 4096]
        spoilt[other : other + 4096] = data[one : one + 4096]
    return bytes(spoilt)
