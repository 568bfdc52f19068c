"""A task of inspect_ai that a judge scores: `inspect eval examples/inspect_task.py --model MODEL`.

The judge is named on the command line as well: `-T judge=openai/gpt-5-mini -T k=8`. An answer that
scores 7 of 10 or more is correct; one without a verdict is neither correct nor wrong.
"""

from __future__ import annotations

from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.solver import generate

from deemster.integrations.inspect_ai import judged

QUESTIONS = [
    Sample(
        input="How do I undo my last git commit without losing what I changed?",
        target="git reset --soft HEAD~1",
    ),
    Sample(input="Explain to a child why the sky is blue, in three sentences."),
]


@task
def advice(judge: str = "openai/gpt-5-mini", k: int = 4, at_least: float = 7.0) -> Task:
    """Two questions, judged by what the judge finds important in each."""
    return Task(dataset=QUESTIONS, solver=generate(), scorer=judged(judge, k=k, at_least=at_least))
