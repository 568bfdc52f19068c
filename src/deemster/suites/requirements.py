"""Whether a suite's judges are allowed: what they showed against human labels, and still the same.

A calibration of another judge is refused when the judge is built (`Calibrator.check`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deemster.errors import CalibrationError
from deemster.judges import BaseJudge, Judge
from deemster.suites.spec import RequiresSpec, SuiteSpec


def check_requirements(spec: SuiteSpec, judges: Sequence[BaseJudge]) -> None:
    """Check every judge against what the suite requires; nothing without `requires`.

    Raises:
        CalibrationError: a judge has no calibration, or it does not show what is required.
    """
    if spec.requires is None:
        return
    reasons = [reason for judge in judges for reason in _reasons(spec.requires, judge)]
    if reasons:
        raise CalibrationError("; ".join(reasons))


def _reasons(asked: RequiresSpec, judge: BaseJudge) -> Iterator[str]:
    if not isinstance(judge, Judge):
        yield (
            f"judge {judge.name!r} is of a type that takes no calibration, so it cannot show what "
            "the suite requires; only judges of type grm can: require it of the members, in a "
            "suite of their own"
        )
        return
    calibration = judge.calibration
    if calibration is None:
        yield (
            f"judge {judge.name!r} has no calibration, and the suite requires one; give "
            "calibration: FILE, made by deemster calibrate"
        )
        return
    if asked.n is not None and calibration.n < asked.n:
        yield (
            f"judge {judge.name!r} was calibrated on {calibration.n} labelled items; the suite "
            f"requires {asked.n}"
        )
    for name, threshold in asked:
        if name == "n" or threshold is None:
            continue
        figure, low = name.removesuffix("_low"), name.endswith("_low")
        found = calibration.figures.get(figure, (None, None, None))[1 if low else 0]
        if not threshold.holds(found):
            shown = "was not measured" if found is None else f"is {found:.4g}"
            yield f"judge {judge.name!r}: {name} {shown}; the suite requires {threshold}"
