"""A suite that runs in no time: six pairs, judged right by a scripted model."""

from __future__ import annotations

from pathlib import Path

SUITE = r"""
name: small
data:
  samples:
    - {id: s0, query: q0, responses: [good, bad], ground_truth: [1, 0]}
    - {id: s1, query: q1, responses: [good, bad], ground_truth: [1, 0]}
    - {id: s2, query: q2, responses: [good, bad], ground_truth: [1, 0]}
    - {id: s3, query: q3, responses: [good, bad], ground_truth: [1, 0]}
    - {id: s4, query: q4, responses: [good, bad], ground_truth: [1, 0]}
    - {id: s5, query: q5, responses: [good, bad], ground_truth: [1, 0]}
judges:
  - name: scripted
    model: "fake:Specific Criteria:\n1. Truth (weight: 100%): right\n\nScores: \\boxed{8, 3}"
    k: 4
    orders: fixed
thresholds:
  accuracy: "== 100%"
"""


def write_small_suite(folder: Path) -> Path:
    """Write it into a folder; returns the file."""
    path = folder / "small.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return path
