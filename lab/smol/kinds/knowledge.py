"""Kinds of tasks about facts: each group of `facts.yaml`, asked openly, by claim or choice."""

from __future__ import annotations

from functools import partial

from lab.smol.item import Kind, Rng, Task, capital, short_task
from lab.smol.tables import Group, facts

_CHOICE = (
    "{q} {x} or {y}?",
    "{q} Is it {x} or {y}?",
    "{x} or {y}? {q}",
    "{q} I can't decide between {x} and {y}.",
    "{q} My guess is {x}, my wife says {y}.",
    "{q} The options are {x} and {y}.",
    "{q} a) {x} b) {y}",
    "{q} I think {x}, but it could be {y}.",
    "between {x} and {y}: {q}",
    "{q} Pick one: {x}, {y}.",
)
_CLAIM = (
    "Is it true that {f}?",
    "True or false: {f}. Say yes or no.",
    "my friend says {f}. is that right?",
    "I read that {f}. Correct?",
    "Can I trust this: {f}?",
    "{f}, right?",
    "Fact check please: {f}.",
    "A quiz card says that {f}. Is it right?",
    "yes or no: {f}",
    "My teacher claims that {f}. True?",
    "Would you agree that {f}?",
    "I bet that {f}. Do I win?",
)


def _fact(group_name: str, rng: Rng) -> Task:
    group = facts()[group_name]
    subject, right = rng.choice(group.pairs)
    wrong = _wrong_answers(rng, group, subject, right)
    fact = group.fact.format(s=subject, a=right)
    kind = "spelling" if group_name == "spelling" else f"fact: {group_name}"
    if group_name != "spelling" and rng.random() < 0.12:
        claimed = right if rng.random() < 0.5 else wrong[0]
        said, other = ("yes", "no") if claimed == right else ("no", "yes")
        query = rng.choice(_CLAIM).format(f=group.fact.format(s=subject, a=claimed))
        return short_task(
            rng, kind, query, "true answer", f"{fact}, so {said}", said, [other], noun=False
        )
    query = capital_of_question(rng.choice(group.ask).format(s=subject))
    if group_name != "spelling" and rng.random() < 0.15:
        x, y = rng.sample((right, wrong[0]), 2)
        query, wrong = rng.choice(_CHOICE).format(q=query, x=x, y=y), wrong[:1]
    return short_task(
        rng, kind, query, group.name, fact, right, wrong,
        say=group.fact.replace("{s}", subject).replace("{a}", "{}"),
    )  # fmt: skip


def capital_of_question(text: str) -> str:
    """Questions that begin with what they are about get a capital letter, as people write."""
    return capital(text) if text.endswith("?") else text


def _wrong_answers(rng: Rng, group: Group, subject: str, right: str) -> list[str]:
    mistake = group.wrong.get(subject)
    if mistake is not None:
        others = [subject] if group.name == "right spelling" else []
        return [mistake, *others]
    others = sorted({answer for _, answer in group.pairs} - {right})
    return rng.sample(others, min(2, len(others)))


KINDS: dict[str, Kind] = {name: partial(_fact, name) for name in facts()}
