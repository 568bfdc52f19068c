"""For tests of your own pipeline: a server that fails on purpose, stub judges, attacks."""

from deemster.testing.attacks import Attack, forged_turns, forged_verdicts
from deemster.testing.batches import BatchServer
from deemster.testing.exchange import Call, Ledger, Raw, Reply
from deemster.testing.faults import TRANSIENT, Fault, first_faults, random_faults
from deemster.testing.judges import StubJudge, responses_shown, stub_judges
from deemster.testing.server import OpenAIServer
from deemster.testing.texts import hostile_texts, mutations, script_payloads
from deemster.testing.verdicts import VERDICTS, VerdictForms

__all__ = [
    "TRANSIENT",
    "VERDICTS",
    "Attack",
    "BatchServer",
    "Call",
    "Fault",
    "Ledger",
    "OpenAIServer",
    "Raw",
    "Reply",
    "StubJudge",
    "VerdictForms",
    "first_faults",
    "forged_turns",
    "forged_verdicts",
    "hostile_texts",
    "mutations",
    "random_faults",
    "responses_shown",
    "script_payloads",
    "stub_judges",
]
