"""The command line as a user runs it: real exit statuses, real output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.command_line import deemster, one_line
from tests.support.tiny_nano import FOREIGN, QUERY

from deemster.backends import nano
from deemster.schemas import Verdict

FAKE = """fake:Specific Criteria:
1. Truth (weight: 100%): is right

Analysis:
- Response 1: fine
- Response 2: poor

Scores: \\boxed{8, 3}"""
SINGLE = "fake:Scores: \\boxed{8}"


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "deemster", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100", "DEEMSTER_MODEL": ""},
    )


def test_score_shows_everything() -> None:
    done = deemster(
        "score", "-q", "Is it so?", "-r", "yes", "-r", "no", "-m", FAKE, "--orders", "fixed"
    )
    assert done.returncode == 0, done.stderr
    for part in ("Is it so?", "yes", "no", "Response 1 is best", "Truth", "100%", "fine", "poor"):
        assert part in done.stdout
    assert "1 of 1 votes valid" in done.stdout


def test_json_is_one_verdict_per_line() -> None:
    done = deemster("score", "-q", "q", "-r", "a", "-r", "b", "-k", "4", "-m", FAKE, "--json")
    assert done.returncode == 0
    (line,) = done.stdout.splitlines()
    verdict = Verdict.model_validate_json(line)
    assert verdict.k == 4
    assert verdict.rewards is not None
    assert sum(verdict.rewards) == 4 * 11


def test_input_file_keeps_order_and_model_from_environment(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    rows = [{"id": f"s{i}", "query": f"q{i}", "responses": ["a", "b"]} for i in range(5)]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n", encoding="utf-8")
    done = deemster("score", "--input", str(path), "--json", env={"DEEMSTER_MODEL": FAKE})
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line.pop("id") for line in lines] == [f"s{i}" for i in range(5)]
    assert all(Verdict.model_validate_json(json.dumps(line)).is_scored for line in lines)


def test_stdin(tmp_path: Path) -> None:
    row = json.dumps({"query": "q", "responses": ["a"]})
    done = deemster("score", "--input", "-", "-m", SINGLE, "--json", stdin=row)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rewards"] == [8.0]


def test_unscored_is_exit_3_unless_allowed(tmp_path: Path) -> None:
    ask = ("score", "-q", "q", "-r", "a", "-m", "fake:no verdict here")
    done = deemster(*ask)
    assert done.returncode == 3
    assert "No verdict: 0 of 1 votes valid" in done.stdout
    assert "parse_error" in done.stdout
    assert deemster(*ask, "--allow-unscored", "100%").returncode == 0


def test_as_a_process() -> None:
    done = process("score", "-q", "q", "-r", "a", "-m", SINGLE)
    assert done.returncode == 0, done.stderr
    assert "Reward 8" in done.stdout
    assert "k: Input should be greater than or equal to 1, got 0" in one_line(
        process("score", "-q", "q", "-r", "a", "-m", SINGLE, "-k", "0")
    )


def test_record_then_replay(tmp_path: Path) -> None:
    cassette = str(tmp_path / "c.cassette")
    ask = ("score", "-q", "q", "-r", "a", "-r", "b", "-k", "2", "--json")
    first = deemster(*ask, "-m", FAKE, "--record", cassette)
    assert first.returncode == 0, first.stderr
    again = deemster(*ask, "-m", f"replay:{cassette}")
    assert again.stdout == first.stdout
    miss = deemster(*ask, "-m", f"replay:{cassette}", "--seed", "9")
    assert miss.returncode == 3
    assert "CassetteMissError" in miss.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("-q", "q"), "--response is missing", id="no-response"),
        pytest.param(("-r", "a"), "--query is missing", id="no-query"),
        pytest.param(("-q", "", "-r", "a"), "query is empty", id="empty-query"),
        pytest.param(
            ("-q", "q", "-r", "a", "-m", "openai/x", "--extra", "seed"), "--extra 'seed'; write",
            id="extra",
        ),
        pytest.param(("-q", "q", "-r", "a", "-m", "vlm:x"), "model scheme 'vlm'", id="scheme"),
        pytest.param(("-q", "q", "-r", "a", "-m", "gpt"), "unknown model 'gpt'", id="no-provider"),
        pytest.param(("-q", "q", "-r", "a", "-k", "0"), "k: Input should be greater", id="k-0"),
        pytest.param(("-q", "q", "-r", "a", "-k", "x"), "valid integer", id="k-text"),
        pytest.param(("-q", "q", "-r", "a", "--k-meta", "2"), "needs --meta-rm", id="k-meta"),
        pytest.param(
            ("-q", "q", "-r", "a", "-k", "2", "--meta-rm", SINGLE, "--k-meta", "3"),
            "--k-meta must be from 1 to k=2, got 3",
            id="k-meta-high",
        ),
        pytest.param(("-q", "q", "-r", "a", "--dialect", "x"), "unknown dialect 'x'", id="dialect"),
        pytest.param(("-q", "q", "-r", "a", "--aggregator", "x"), "unknown aggr", id="aggregator"),
        pytest.param(("-q", "q", "-r", "a", "--temperature", "9"), "temperature", id="temperature"),
        pytest.param(("-q", "q", "-r", "a", "--temperature", "nan"), "temperature", id="nan"),
        pytest.param(("-q", "q", "-r", "a", "--budget", "lots"), "--budget 'lots'", id="budget"),
        pytest.param(("-q", "q", "-r", "a", "--principles", "nope"), "nope", id="principles"),
        pytest.param(("-q", "q", "-r", "a", "--template", "/no.j2"), "cannot read", id="template"),
        pytest.param(("--input", "/none.jsonl"), "no such file or directory", id="no-file"),
        pytest.param(("--input", "x", "-q", "q"), "give --input or --query", id="both"),
        pytest.param(("-q", "q", "-r", "a", "--api-base", "http://x"), "api_base", id="option"),
        pytest.param(("--nonsense",), "No such option", id="unknown-option"),
    ],
)  # fmt: skip
def test_bad_usage_is_one_line_and_exit_2(arguments: tuple[str, ...], message: str) -> None:
    model = () if "-m" in arguments else ("-m", SINGLE)
    assert message in one_line(deemster("score", *arguments, *model))


def test_bad_usage_is_said_before_a_judge_is_opened(tiny_nano: Path) -> None:
    """Which judge it would have been is no news then."""
    assert "--query is missing" in one_line(deemster("score"))


def test_the_embedded_model_is_the_default(
    tiny_nano: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done = deemster(
        "score", "-q", FOREIGN, "-r", "a", "-r", "b", "-k", "2", "--json", "--max-tokens", "16"
    )
    assert done.returncode == 3  # random weights write no verdict
    verdict = Verdict.model_validate_json(done.stdout)
    assert verdict.judge.model.startswith("nano@")
    assert verdict.judge.dialect == "nano"
    assert verdict.judge.sampling is not None
    assert verdict.judge.sampling.temperature == 1.0
    notice = done.stderr.splitlines()[0]
    assert "the embedded demonstration model" in notice
    assert "arithmetic" in notice
    (warning,) = verdict.warnings
    assert FOREIGN in warning
    assert "its verdict means nothing" in warning
    assert warning in caplog.text  # which is stderr where nobody sets up logging
    again = deemster("score", "-q", QUERY, "-r", "7", "-r", "9", "--max-tokens", "16")
    assert "demonstration" not in again.stderr  # once per process


def test_the_environment_comes_before_the_embedded_model(tiny_nano: Path) -> None:
    done = deemster("score", "-q", "q", "-r", "a", "--json", env={"DEEMSTER_MODEL": SINGLE})
    assert done.returncode == 0
    assert Verdict.model_validate_json(done.stdout).judge.model.startswith("fake")
    assert "demonstration" not in done.stderr


def test_embedded_model_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nano, "assets", lambda: tmp_path)
    line = one_line(deemster("score", "-q", "q", "-r", "a"))
    assert "the embedded model is not installed" in line
    assert "give a model, for example openai/gpt-5-mini" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("--dialect", "grm"), "' was trained on the dialect 'nano' alone, got '"
                     "grm'; leave out dialect, or give another model", id="dialect"),
        pytest.param(("--reference", "7"), "has no place for a reference; leave that out, or give "
                     "another model", id="reference"),
        pytest.param(("--principles", "code"), "has no place for principles", id="principles"),
        pytest.param(("--principles", "ahead"), "cannot write principles by themselves",
                     id="ahead"),
        pytest.param(("--api-base", "http://x"), "does not take the option 'api_base'",
                     id="option"),
        pytest.param(("-m", "nano:/x"), "there is one embedded model, 'nano'", id="path"),
        pytest.param(("-r", "b") * 4, "judges 1 to 4 responses at once, got 5", id="responses"),
    ],
)  # fmt: skip
def test_what_the_embedded_model_cannot_do(
    tiny_nano: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert message in one_line(deemster("score", "-q", QUERY, "-r", "a", *arguments))


def test_principles_generate_needs_a_real_model(tiny_nano: Path) -> None:
    line = one_line(deemster("principles", "generate", "-q", QUERY))
    assert "cannot write principles by themselves" in line


def test_doctor_shows_the_embedded_model(tiny_nano: Path) -> None:
    facts = json.loads(deemster("doctor", "--json").stdout)
    assert facts["default model"] == "nano"
    assert facts["embedded model"].startswith("nano: judge 0.")
    assert ", meta 0." in facts["embedded model"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("{", "in.jsonl line 2: not JSON", id="json"),
        pytest.param('{"query": "q"}', "in.jsonl line 2: no responses found", id="missing"),
        pytest.param(
            '{"query": "q", "responses": "a"}', "in.jsonl line 2: 'responses' must be", id="type"
        ),
        pytest.param(
            '{"query": "q", "responses": ["a"], "principles": [{"name": "x", "weight": NaN}]}',
            "in.jsonl line 2: principles.0.weight",
            id="nan-weight",
        ),
    ],
)
def test_bad_lines_are_told_before_anything_is_asked(
    tmp_path: Path, line: str, message: str
) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"query": "q", "responses": ["a"]}\n' + line + "\n", encoding="utf-8")
    assert message in one_line(deemster("score", "--input", str(path), "-m", SINGLE))


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text("\n", encoding="utf-8")
    assert "in.jsonl is empty" in one_line(deemster("score", "--input", str(path), "-m", SINGLE))


def test_a_template_without_its_slots(tmp_path: Path) -> None:
    path = tmp_path / "mine.j2"
    path.write_text("Judge {{ conversation }}", encoding="utf-8")
    line = one_line(deemster("score", "-q", "q", "-r", "a", "-m", SINGLE, "--template", str(path)))
    assert "does not use the slot 'responses'" in line


def test_a_template_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.j2"
    path.write_text(
        "Judge {{ conversation }}: {% for r in responses %}{{ fence(r, 'X') }}{% endfor %}",
        encoding="utf-8",
    )
    done = deemster("score", "-q", "q", "-r", "a", "-m", SINGLE, "--template", str(path))
    assert done.returncode == 0, done.stderr


def test_principles_commands(tmp_path: Path) -> None:
    listed = deemster("principles", "list")
    assert listed.returncode == 0
    assert "helpfulness" in listed.stdout
    shown = deemster("principles", "show", "code")
    assert shown.returncode == 0
    mine = tmp_path / "mine.yaml"
    mine.write_text(shown.stdout, encoding="utf-8")
    used = deemster("score", "-q", "q", "-r", "a", "-m", SINGLE, "--principles", str(mine))
    assert used.returncode == 0, used.stderr
    assert "no-such" in one_line(deemster("principles", "show", "no-such"))


def test_generated_principles_are_a_rubric(tmp_path: Path) -> None:
    made = json.dumps(
        {"principles": [{"name": n, "description": f"about {n}", "weight": 20} for n in "abc"]}
    )
    done = deemster("principles", "generate", "-q", "q", "-m", f"fake:{made}")
    assert done.returncode == 0, done.stderr
    path = tmp_path / "made.yaml"
    path.write_text(done.stdout, encoding="utf-8")
    assert deemster("principles", "show", str(path)).returncode == 0
    saved = tmp_path / "saved.yaml"
    kept = deemster("principles", "generate", "-q", "q", "-m", f"fake:{made}", "-o", str(saved))
    assert (kept.returncode, kept.stdout) == (0, "")
    assert saved.read_text(encoding="utf-8") == done.stdout
    failed = deemster("principles", "generate", "-q", "q", "-m", "fake:none")
    assert "no principles were made" in one_line(failed)


@pytest.mark.parametrize(
    "form", [pytest.param(("--json",), id="json"), pytest.param((), id="text")]
)
def test_a_reader_that_goes_away_ends_it_quietly(form: tuple[str, ...], tmp_path: Path) -> None:
    """`deemster score … | head`: more is written than a pipe holds, after its reader has gone."""
    rows = [{"query": "q" * 2000, "responses": ["a", "b"]}] * 200
    data = tmp_path / "many.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    arguments = ("score", "--input", str(data), "-m", FAKE, *form)
    with subprocess.Popen(
        [sys.executable, "-m", "deemster", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0


def test_doctor_never_shows_keys() -> None:
    done = deemster("doctor", env={"OPENAI_API_KEY": "sk-very-secret"})
    assert done.returncode == 0, done.stderr
    assert "OPENAI_API_KEY" in done.stdout
    assert "sk-very-secret" not in done.stdout + done.stderr
    facts = json.loads(deemster("doctor", "--json").stdout)
    assert facts["packages"]["deemster"]


@pytest.mark.parametrize(
    ("variable", "value", "fact", "said"),
    [
        pytest.param("OMP_NUM_THREADS", "3", "threads", "3 (OMP_NUM_THREADS)", id="threads-given"),
        pytest.param("OMP_NUM_THREADS", "", "threads", "CPUs that this process may", id="threads"),
        pytest.param("OMP_WAIT_POLICY", "passive", "waiting threads", "sleep", id="sleeping"),
        pytest.param("OMP_WAIT_POLICY", "ACTIVE", "waiting threads", "set OMP_WAIT", id="spinning"),
        pytest.param("OMP_NUM_THREADS", "1", "dtype", "the default on", id="dtype"),
    ],
)
def test_doctor_says_how_local_models_run_and_why(
    variable: str, value: str, fact: str, said: str
) -> None:
    assert said in json.loads(deemster("doctor", "--json", env={variable: value}).stdout)[fact]


def test_help_and_version() -> None:
    assert "score" in deemster("--help").stdout
    assert deemster("--version").stdout.strip().count(".") == 2
    for command in ("score", "run", "import", "rescore", "doctor"):
        done = deemster(command, "--help")
        assert done.returncode == 0
        assert "Usage" in done.stdout


def test_markup_in_texts_is_shown_as_it_is() -> None:
    done = deemster("score", "-q", "[bold]q[/bold] [/]", "-r", "[red]a[/]", "-m", SINGLE)
    assert done.returncode == 0, done.stderr
    assert "[bold]q[/bold] [/]" in done.stdout
    assert "[red]a[/]" in done.stdout


def test_the_makers_prompt_is_read_and_named(tmp_path: Path) -> None:
    path = tmp_path / "prompt_templates.py"
    path.write_text(
        "class NaiveReasoningBinaryPromptTemplate:\n"
        "    def __init__(self):\n"
        "        system_msg = 'Judge.'\n"
        "        user_msg = '{context} | {response1} | {response2}'\n"
    )
    given = ("-q", "q", "-r", "a", "-r", "b", "-m", "fake:<answer>A</answer>", "--orders", "fixed")
    done = deemster(
        "score", *given, "--dialect", "think-rm", "--prompt", "official", "--template", str(path)
    )
    assert done.returncode == 0, done.stderr
    assert "Response 1 is best" in done.stdout
    assert "IlgeeHong/Think-RM" in done.stderr
    assert "not the text known" in done.stderr
    missing = deemster("score", *given, "--dialect", "think-rm", "--prompt", "official")
    assert "needs its makers' file: fetch IlgeeHong/Think-RM" in one_line(missing)
    unknown = deemster("score", *given, "--dialect", "j1", "--prompt", "official")
    assert "knows no file with its makers' prompt" in one_line(unknown)
