"""R1 to R20: what is promised, what measures it, and which tests hold it in small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from benchmarks.reliability.record import Run


@dataclass(frozen=True)
class Goal:
    """A row of the page."""

    r: str
    title: str
    target: str
    measured_by: str | None
    """`module:function` in this package; None: nothing measures it yet."""
    tests: tuple[str, ...] = ()
    """Tests that hold it with small counts, `path::function` below `tests/`."""
    missing: str = ""
    """Why nothing measures it."""

    def load(self) -> Callable[[Run], None]:
        """The function that measures it."""
        module, _, name = (self.measured_by or "").partition(":")
        found: Callable[[Run], None] = getattr(
            import_module(f"benchmarks.reliability.{module}"), name
        )
        return found


GOALS = (
    Goal(
        "R1",
        "Faulty server",
        "10,000 judgments at 30 % faults of all kinds, at most 8 attempts: each accounted for "
        "once, ≥ 99.95 % scored, 0 wrong or defaulted",
        "faults:faulty_server",
        (
            "backends/test_storms.py::test_every_fault_at_once",
            "backends/test_api.py::test_faults_lose_nothing_and_change_nothing",
        ),
    ),
    Goal(
        "R2",
        "Amplification",
        "server hits per judgment: ≤ 1.5 at 30 % faults, exactly 1 without faults, 1 for a call "
        "that is refused for good",
        "faults:amplification",
        ("backends/test_api.py::test_permanent_errors_cost_one_hit_and_show_no_key",),
    ),
    Goal(
        "R3",
        "Deadlines",
        "1,000 calls that hang or trickle, deadline 2 s: all end within 2.5 s, no task and no "
        "socket left; also when the clock is set back",
        "faults:deadlines",
        ("backends/test_api.py::test_deadline",),
    ),
    Goal(
        "R4",
        "Storm",
        "64 workers, 20 requests a second allowed: after 5 s ≤ 1 % refused, ≥ 95 % of the allowed "
        "rate, longest wait ≤ 3 times the median",
        "faults:storm",
        ("backends/test_storms.py::test_storm",),
    ),
    Goal(
        "R5",
        "SIGKILL",
        "200 kills of a run of 2,000 items: nothing lost, nothing doubled, requests made twice ≤ "
        "those in flight, the same summary as an uninterrupted run",
        "kills:kills",
        ("suites/test_kill.py::test_a_killed_run_ends_like_an_uninterrupted_one",),
    ),
    Goal(
        "R6",
        "A damaged store",
        "1,000 places: all damage is told, truncation loses at most 1 record, no traceback",
        "storage:damages",
        (
            "suites/test_store.py::test_no_damage_changes_what_is_read_in_silence",
            "cli/test_cli_damaged_run.py::test_readers_say_what_is_damaged",
        ),
    ),
    Goal(
        "R7",
        "A full disk",
        "50 sizes: a status other than 0, a clear message, the store readable, the run goes on "
        "with more room",
        "kills:disk_full",
        ("cli/test_cli_run.py::test_a_full_disk_is_one_line_and_the_run_goes_on",),
    ),
    Goal(
        "R8",
        "Interrupts",
        "100 × SIGINT and SIGTERM: at the end within 1 s, 0.5 s after a second one; nothing lost, "
        "no process left",
        "kills:interrupts",
        ("cli/test_cli_run.py::test_an_interrupted_run_says_how_to_go_on",),
    ),
    Goal(
        "R9",
        "Any completion",
        "1,000,000 completions: 0 uncaught exceptions, 0 scores off the scale; p99.9 < 5 ms at 64 "
        "KiB, < 100 ms at 1 MiB, linear growth",
        "parsing:any_text",
        (
            "dialects/test_dialect_fuzz.py::test_any_text",
            "dialects/test_dialect_speed.py::test_64_kib_of_anything",
        ),
    ),
    Goal(
        "R10",
        "Forged verdicts",
        "500 attacks on each dialect × judges that quote before, after, only echo, or normalise: "
        "0 forged, ≥ 99 % of the honest verdicts kept",
        "parsing:forgery",
        (
            "dialects/test_forgery_forms.py::test_no_form_forges_a_verdict",
            "dialects/test_verdict_forgery.py::test_forged_verdicts_never_count",
        ),
    ),
    Goal(
        "R11",
        "Control tokens",
        "at least 8 families of templates × all their added tokens × 20 mutations: 0 forged ids",
        "encoding:control_tokens",
        ("backends/test_transformers_encoding.py::test_no_added_token_is_forged",),
    ),
    Goal(
        "R12",
        "Attacks on a real model",
        "200 injections and 10 master keys on a small local judge, defences off and on, with 95 % "
        "intervals: on ≤ ¼ of off, master keys ≤ 1 % past the check for them, honest scores moved "
        "by ≤ 0.05 of the scale",
        "real_model:attacks",
        (
            "judges/verifier/test_text_checks.py::test_master_keys_are_caught",
            "probe/test_probe.py::test_attacks_and_controls_are_as_long",
        ),
    ),
    Goal(
        "R13",
        "Hostile texts in prompts",
        "100,000 texts: 0 crashes, 0 broken fences, 0 silent truncations; 10 MB too",
        "parsing:prompts",
        ("prompts/test_dialect_prompts.py::test_every_slot_is_shown",),
    ),
    Goal(
        "R14",
        "Reward server",
        "64 clients for 10 minutes: ≥ 300 requests a second, p99 ≤ 1 s; abuse for as long: refused "
        "and never hung on, memory ≤ 5 % more after warming up",
        "serving:reward_server",
        ("serve/test_server.py::test_a_full_queue_says_when_to_come_again",),
    ),
    Goal(
        "R15",
        "Soak",
        "100,000 judgments in one process: memory grows ≤ 1 KB per 1,000, open files do not",
        "memory:soak",
    ),
    Goal(
        "R16",
        "Event loops",
        "200 × `asyncio.run`, running loops, threads, forks: 0 errors, 0 warnings, no descriptor "
        "more",
        "memory:loops",
        (
            "backends/test_api.py::test_repeated_asyncio_run_leaks_no_descriptor",
            "test_runtime.py::test_a_forked_child_gets_a_loop_of_its_own",
        ),
    ),
    Goal(
        "R17",
        "Hostile reports, files, addresses",
        "300 payloads in every field of a report: 0 nodes that run or load; 100 hostile YAML files "
        "refused < 100 MB; 100 addresses in data: 0 connections",
        "pages:hostile",
        (
            "reports/test_report_chromium.py::test_no_text_ever_becomes_code_or_loads_anything",
            "data/test_hostile_files.py::test_yaml_is_refused",
            "test_no_fetching.py::test_a_run_and_its_report",
        ),
    ),
    Goal(
        "R18",
        "Rewards for training",
        "20 % of the judgments fail: advantages finite, failed samples masked and never 0, the run "
        "stops above a threshold",
        "serving:rewards",
        ("integrations/test_groups.py::test_what_cannot_be_judged_is_failures",),
    ),
    Goal(
        "R19",
        "Accounts",
        "tokens equal the server's, failed attempts included; a budget is overrun by no more than "
        "the calls in flight",
        "faults:accounts",
        ("backends/test_api.py::test_budget_overrun_is_bounded",),
    ),
    Goal(
        "R20",
        "Mutation testing",
        "≥ 90 % of the mutants of parsers, limits, store and aggregators are killed by their tests",
        "mutants:survivors",
        ("test_reliability.py::test_mutants_change_one_thing_each_and_leave_words_alone",),
    ),
)
