"""Hostile programs: none may pass its tests, reach out, or stay behind."""

# ruff: noqa: E501 - a program is easier to read in one line

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deemster.errors import InputError
from deemster.judges.verifier.sandbox import Limits, SandboxError, run_program, run_tests
from deemster.judges.verifier.sandbox.child.syscalls import ALLOWED, FILTERED

QUICK = Limits(seconds=5)


def _kernel_isolates() -> str:
    try:
        run_program("pass")
    except SandboxError as error:
        return str(error)
    return ""


NO_KERNEL = _kernel_isolates() if sys.platform != "win32" else "no POSIX limits"
kernel = pytest.mark.skipif(bool(NO_KERNEL), reason=f"kernel isolation: {NO_KERNEL}")
BOTH = pytest.mark.parametrize(
    "limits",
    [
        pytest.param(QUICK, marks=kernel, id="kernel"),
        pytest.param(Limits(seconds=5, strict=False), id="fallback"),
    ],
)


def attempt(action: str) -> str:
    """A program that says whether an action was refused."""
    body = "\n".join("    " + line for line in action.splitlines())
    return (
        f"try:\n{body}\nexcept BaseException as error:\n    print('refused', type(error).__name__)\n"
        "else:\n    print('done')\n"
    )


@BOTH
def test_program_reads_and_prints(limits: Limits) -> None:
    run = run_program(
        "import math\nprint(int(input()) + math.isqrt(16))", stdin="3\n", limits=limits
    )
    assert (run.exit_status, run.stdout, run.stopped) == (0, "7\n", "")


@BOTH
def test_failing_program_shows_its_traceback(limits: Limits) -> None:
    run = run_program("print('before')\nraise ValueError('on purpose')", limits=limits)
    assert run.exit_status == 1
    assert run.stdout == "before\n"
    assert "ValueError: on purpose" in run.stderr


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("while True: pass", id="loop"),
        pytest.param("import time\ntime.sleep(60)", id="sleep"),
        pytest.param("import sys\nsys.stdout.flush()\nimport os\nos.closerange(0, 60)\nwhile 1: pass",
                     id="closes-its-files"),
        pytest.param("import signal\nfor s in range(1, 32):\n  try: signal.signal(s, signal.SIG_IGN)\n"
                     "  except OSError: pass\nwhile True: pass", id="ignores-signals"),
    ],
)  # fmt: skip
@kernel
def test_endless_programs_are_stopped(program: str) -> None:
    started = time.monotonic()
    run = run_program(program, limits=Limits(seconds=0.8))
    assert run.exit_status is None
    assert run.stopped == "it ran longer than 0.8 s"
    assert time.monotonic() - started < 30


@BOTH
def test_memory_hog_gets_an_error(limits: Limits) -> None:
    run = run_program(attempt("x = bytearray(4 << 30)"), limits=limits)
    if sys.platform == "linux":
        assert run.stdout == "refused MemoryError\n"


@kernel
def test_no_call_exists_that_is_not_on_the_list() -> None:
    machine = os.uname().machine
    known = {*ALLOWED[machine].values(), *FILTERED[machine].values()}
    if machine == "x86_64":
        known |= {335, 336}  # those of probes, which kill who makes them, are for no filter
    program = (
        f"import ctypes, os\nl = ctypes.CDLL(None, use_errno=True)\nleft = set(range(1024)) - {known}\n"
        "print([n for n in sorted(left) if (l.syscall(n, 0, 0, 0, 0, 0, 0), ctypes.get_errno()) != (-1, 38)])"
    )
    assert run_program(program, limits=QUICK).stdout == "[]\n"


@kernel
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="ABIs of x86")
def test_no_other_abi_gets_past_the_list() -> None:
    # `int 0x80` asks for a call by its 32-bit number: 20 is getpid.
    code = "b814000000cd80c3"
    program = (
        f"import ctypes, mmap\nm = mmap.mmap(-1, 4096, prot=7)\nm.write(bytes.fromhex({code!r}))\n"
        "at = ctypes.addressof(ctypes.c_char.from_buffer(m))\nprint(ctypes.CFUNCTYPE(ctypes.c_int)(at)())"
    )
    assert run_program(program, limits=QUICK).exit_status == -signal.SIGSYS
    x32 = "import ctypes\nprint(ctypes.CDLL(None).syscall(0x40000000 + 39))"
    assert run_program(x32, limits=QUICK).stdout == "-1\n"


@kernel
@pytest.mark.parametrize(
    "action",
    [
        pytest.param("import os\nos.fork()", id="fork"),
        pytest.param("import os\nwhile True: os.fork()", id="fork-bomb"),
        pytest.param("import subprocess\nsubprocess.run(['/bin/true'])", id="subprocess"),
        pytest.param("import os\nos.system('true') and 1/0", id="system"),
        pytest.param("import os\nos.posix_spawn('/bin/true', ['true'], {})", id="posix-spawn"),
        pytest.param("import os\nos.execv('/bin/true', ['true'])", id="exec"),
        pytest.param("import multiprocessing as m\np = m.Process(target=print)\np.start()", id="process"),
        pytest.param("import threading\nthreading.Thread(target=print).start()", id="thread"),
        pytest.param("import os\nos.kill(os.getppid(), 9)", id="kill-parent"),
        pytest.param("import os\nos.kill(-1, 9)", id="kill-everyone"),
        pytest.param("import os\nos.kill(os.getppid(), 0)", id="probe-parent"),
        pytest.param("import os\nopen(f'/proc/{os.getppid()}/environ').read()", id="parent-environment"),
        pytest.param("open('/etc/passwd').read()", id="read-outside"),
        pytest.param("import os\nos.listdir('/')", id="list-outside"),
        pytest.param("import os\nos.mkdir('deep')", id="directory"),
        pytest.param("import os\nos.symlink('/etc/passwd', 'x')", id="symlink"),
        pytest.param("import socket\nsocket.socket()", id="tcp"),
        pytest.param("import socket\nsocket.socket(socket.AF_UNIX)", id="unix-socket"),
        pytest.param("import socket\nsocket.socket(type=socket.SOCK_DGRAM)", id="udp"),
        pytest.param("import socket\nsocket.socketpair()", id="socket-pair"),
        pytest.param("import ctypes\nl = ctypes.CDLL(None)\nif l.prctl(1, 0, 0, 0, 0) < 0: raise OSError", id="outlive-parent"),
        pytest.param("import ctypes\nl = ctypes.CDLL(None)\nif l.prctl(1, 9, 0, 0, 0) < 0: raise OSError", id="set-parent-signal"),
        pytest.param("import ctypes\nl = ctypes.CDLL(None)\nif l.syscall(9999) < 0: raise OSError", id="unknown-call"),
        pytest.param("import os\nos.setuid(65534)", id="identity"),
        pytest.param("import os\nos.nice(1)", id="priority"),
        pytest.param("import resource as r\nr.setrlimit(r.RLIMIT_AS, (-1, -1))", id="raise-limit"),
        pytest.param("import resource as r, os\nr.prlimit(os.getppid(), r.RLIMIT_CPU, (0, 0))", id="limit-parent"),
        pytest.param("import os\nos.sched_setaffinity(os.getppid(), {0})", id="affinity"),
        pytest.param("import os\nos.memfd_create('x')", id="memfd"),
        pytest.param("from multiprocessing import shared_memory as s\ns.SharedMemory(create=True, size=9)", id="shared-memory"),
        pytest.param("import os, fcntl\nr, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETOWN, os.getppid())", id="signal-owner"),
        pytest.param("import os, fcntl\nfcntl.fcntl(os.open(os.__file__, os.O_RDONLY), fcntl.F_SETLEASE, 0)", id="lease"),
        pytest.param("import os, fcntl\nfcntl.fcntl(os.open('.', os.O_RDONLY), fcntl.F_NOTIFY, 4)", id="notice"),
        pytest.param("import fcntl, struct\nfcntl.ioctl(open('x', 'w'), 0x40086602, struct.pack('l', 16))", id="attributes-of-a-file"),
        pytest.param("import ctypes, os\nl = ctypes.CDLL(None, use_errno=True)\n"
                     "if l.syscall(57 if os.uname().machine == 'x86_64' else 220) < 0: raise OSError", id="raw-fork"),
        pytest.param("import ctypes, os\nl = ctypes.CDLL(None)\n"
                     "if l.syscall(425, 8, None) < 0: raise OSError", id="io-uring"),
        pytest.param("import ctypes, os\nl = ctypes.CDLL(None)\n"
                     "if l.ptrace(16, os.getppid(), 0, 0) < 0: raise OSError", id="ptrace"),
    ],
)  # fmt: skip
def test_kernel_refuses(action: str) -> None:
    if "os.system" in action:  # reports the refusal as a status
        action = action.replace("and 1/0", "and int('refused')")
    run = run_program(attempt(action), limits=QUICK)
    assert re.fullmatch(r"refused \w+\n", run.stdout), run


@pytest.mark.parametrize(
    "action",
    [
        pytest.param("import os\nos.fork()", id="fork"),
        pytest.param("import subprocess\nsubprocess.run(['/bin/true'])", id="subprocess"),
        pytest.param("import os\nos.system('true')", id="system"),
        pytest.param("import os\nos.kill(os.getppid(), 9)", id="kill-parent"),
        pytest.param("import socket\nsocket.socket()", id="socket"),
        pytest.param("import ctypes\nctypes.CDLL(None)", id="ctypes"),
    ],
)
def test_fallback_refuses(action: str) -> None:
    run = run_program(attempt(action), limits=Limits(seconds=5, strict=False))
    assert re.fullmatch(r"refused \w+\n", run.stdout), run


@BOTH
def test_cannot_write_outside_its_directory(limits: Limits, tmp_path: Path) -> None:
    target, kept = tmp_path / "escaped", tmp_path / "kept"
    kept.write_text("as it was")
    actions = [
        f"open({str(target)!r}, 'w')",
        f"import os\nos.open({str(target)!r}, os.O_CREAT | os.O_WRONLY)",
        f"open('own', 'w').write('x')\nimport os\nos.rename('own', {str(target)!r})",
        f"import os\nos.remove({str(kept)!r})",
        f"import os\nos.truncate({str(kept)!r}, 0)",
        f"import os\nos.chmod({str(kept)!r}, 0)",
        f"open({str(kept)!r}, 'a').write('x')",
    ]
    run = run_program("\n".join(attempt(action) for action in actions), limits=limits)
    assert run.stdout.count("refused") == len(actions), run
    assert not target.exists()
    assert kept.read_text() == "as it was"
    assert kept.stat().st_mode & 0o777


@BOTH
def test_its_directory_is_writable_private_and_removed(limits: Limits) -> None:
    program = (
        "import os\nopen('x', 'w').write('y')\nassert open('x').read() == 'y'\n"
        "print(os.getcwd())\nprint(sorted(os.environ))"
    )
    run = run_program(program, limits=limits)
    where, environment = run.stdout.splitlines()
    assert run.exit_status == 0, run
    assert Path(where).parent == Path(tempfile.gettempdir()).resolve()
    assert not Path(where).exists()
    allowed = {"HOME", "TMPDIR", "LC_CTYPE", "PYTHONHASHSEED", "__CF_USER_TEXT_ENCODING"}
    allowed |= {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}
    assert set(re.findall(r"'(\w+)'", environment)) <= allowed


@pytest.fixture
def listener() -> Iterator[tuple[int, list[object]]]:
    """Port of a server on this machine, and who connected."""
    came: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        ended = threading.Event()

        def accept() -> None:
            while not ended.is_set():
                try:
                    connection, address = server.accept()
                except TimeoutError:
                    continue
                connection.close()
                came.append(address)

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1], came
        ended.set()
        thread.join()


@BOTH
def test_cannot_reach_a_server_on_this_machine(
    limits: Limits, listener: tuple[int, list[object]]
) -> None:
    port, came = listener
    action = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=1)"
    assert run_program(attempt(action), limits=limits).stdout.startswith("refused")
    time.sleep(0.15)
    assert came == []


@BOTH
def test_huge_output_is_cut_off(limits: Limits) -> None:
    started = time.monotonic()
    run = run_program("while True: print('x' * 10_000)", limits=limits)
    assert run.stopped == "it wrote more than 1048576 bytes"
    assert len(run.stdout) <= 1 << 20
    assert time.monotonic() - started < 30


@kernel
def test_many_files_are_noticed() -> None:
    program = "import itertools\nfor i in itertools.count(): open(f'{i}', 'w').close()"
    assert run_program(program, limits=QUICK).stopped == "it made more than 256 files"
    program = (
        "import time\nfor i in range(30): open(f'{i}', 'w').write('x' * 1_000_000)\ntime.sleep(9)"
    )
    assert "are larger than" in run_program(program, limits=QUICK).stopped


MAP = "import ctypes\nl = ctypes.CDLL(None)\nl.mmap.argtypes = [ctypes.c_void_p] + [ctypes.c_long] * 5\n"


@kernel
@pytest.mark.parametrize(
    "hide",
    [
        pytest.param("f = open(f'{i}', 'wb'); os.unlink(f'{i}'); kept.append(f)", id="open"),
        pytest.param("f = os.fdopen(os.open('.', os.O_TMPFILE | os.O_RDWR), 'wb'); kept.append(f)",
                     id="never-named"),
        pytest.param("f = open(f'{i}', 'w+b'); os.unlink(f'{i}')", id="mapped"),
        pytest.param("f = open(f'{i}', 'w+b'); os.rename(f'{i}', 'one')", id="replaced"),
    ],
)  # fmt: skip
def test_files_without_a_name_count(hide: str) -> None:
    program = (
        f"import os, time\n{MAP}kept = []\nfor i in range(50):\n  {hide}\n  f.write(b'x' * 900_000)\n"
        "  f.flush()\n  l.mmap(None, 4096, 1, 2, f.fileno(), 0)\n  if f not in kept: f.close()\ntime.sleep(9)"
    )
    assert "are larger than" in run_program(program, limits=QUICK).stopped


@kernel
def test_blocks_that_no_size_shows_cannot_be_reserved() -> None:
    program = "import ctypes\nl = ctypes.CDLL(None)\nf = open('x', 'wb')\nprint([l.fallocate(f.fileno(), mode, ctypes.c_long(0), ctypes.c_long(1 << 16)) for mode in (1, 3, 0)])"
    assert run_program(program, limits=QUICK).stdout == "[-1, -1, 0]\n"


@kernel
def test_threads_when_asked_for() -> None:
    program = (
        "import threading\nt = threading.Thread(target=print, args=('ok',))\nt.start()\nt.join()"
    )
    assert run_program(program, limits=Limits(threads=True)).stdout == "ok\n"
    refused = run_program(attempt("import os\nos.fork()"), limits=Limits(threads=True))
    assert refused.stdout.startswith("refused")


GOOD = "def f(x):\n    return x + 1\n"
TEST = "def check(candidate):\n    assert candidate(1) == 2\n    assert candidate(5) == 6\n"


@BOTH
def test_right_code_passes_and_wrong_code_fails(limits: Limits) -> None:
    assert run_tests(GOOD, TEST, entry_point="f", limits=limits).passed
    wrong = run_tests("def f(x):\n    return 2", TEST, entry_point="f", limits=limits)
    assert not wrong.passed
    assert "assert candidate(5) == 6" in wrong.evidence
    assert "f(5) gave 2" in wrong.evidence


EQUAL = "class E:\n    def __eq__(self, other): return True\n    def __hash__(self): return 0\n"


@pytest.mark.parametrize(
    ("program", "why"),
    [
        pytest.param("import sys\nsys.exit(0)", "defines no", id="exit-before"),
        pytest.param("import sys\nsys.exit(3)", "SystemExit", id="exit-with-an-error"),
        pytest.param("import os\nos._exit(0)", "ended before", id="_exit-before"),
        pytest.param("import sys\ndef f(x): sys.exit(0)", "SystemExit", id="exit-in-call"),
        pytest.param("import os\ndef f(x): os._exit(0)", "ended before", id="_exit-in-call"),
        pytest.param("print('passed')\nprint('{\"passed\": true}')\ndef f(x): return None", "gave None", id="prints-passed"),
        pytest.param(
            "import os\nfor fd in range(60):\n  try: os.write(fd, b'{\"passed\": true, \"evidence\": \"\"}')\n"
            "  except OSError: pass\ndef f(x): return None",
            "answered with", id="writes-passed-everywhere"),
        pytest.param(
            "import os\nm = b'{\"value\": true}'\nfor fd in range(60):\n"
            "  try: os.write(fd, len(m).to_bytes(4, 'big') + m)\n  except OSError: pass\ndef f(x): return 0",
            "", id="forges-answers"),
        pytest.param("class I(int):\n    __eq__ = lambda s, o: True\ndef f(x): return I(0)", "gave 0", id="int-that-equals-everything"),
        pytest.param("class L(list):\n    __eq__ = lambda s, o: True\ndef f(x): return L()", "gave []", id="list-that-equals-everything"),
        pytest.param("import builtins\nbuiltins.AssertionError = Exception\ncheck = lambda c: None\ndef f(x): return 0", "gave 0", id="overwrites-the-tests"),
        pytest.param("import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return f(x)", "", id="stack-overflow"),
        pytest.param("def f(x): return bytearray(4 << 30)", "MemoryError", id="memory"),
        pytest.param("def f(x): raise AssertionError('x')", "AssertionError", id="raises"),
        pytest.param("def f(x) return", "SyntaxError", id="syntax"),
        pytest.param("f = 3", "defines no function 'f'", id="not-a-function"),
        pytest.param("", "defines no function 'f'", id="empty"),
        pytest.param("class X(Exception):\n    def __str__(self): raise self\ndef f(x): raise X", "X", id="hostile-exception"),
    ],
)  # fmt: skip
@kernel
def test_no_trick_passes(program: str, why: str) -> None:
    run = run_tests(program, TEST, entry_point="f", limits=QUICK)
    assert not run.passed, run
    assert why in run.evidence, run


@kernel
@pytest.mark.parametrize(
    "program",
    [
        pytest.param(EQUAL + "def f(x): return E()", id="equals-everything"),
        pytest.param("def f(x): return 'x' * (5 << 20)", id="huge"),
        pytest.param("def f(x):\n    y = []\n    y.append(y)\n    return y", id="endless"),
        pytest.param(
            "def f(x):\n    y = []\n    for _ in range(500_000): y = [y]\n    return y", id="deep"
        ),
        pytest.param("def f(x): return (i for i in [x])", id="generator"),
        pytest.param("def f(x): return lambda: x", id="function"),
    ],
)
def test_a_result_that_cannot_be_carried_is_not_decided(program: str) -> None:
    for test in (
        TEST,
        "def check(candidate):\n    try:\n        candidate(1)\n    except:\n        pass\n",
    ):
        with pytest.raises(SandboxError, match="returned a value that is"):
            run_tests(program, test, entry_point="f", limits=Limits(seconds=60))


@kernel
@pytest.mark.parametrize(
    ("program", "test"),
    [
        pytest.param("def f(x): return 10 ** x", "assert f(5000) == 10 ** 5000", id="long-result"),
        pytest.param("def f(x): return x % 7", "assert f(10 ** 5000) == 10 ** 5000 % 7", id="long-argument"),
        pytest.param("class Bad(ValueError): pass\ndef f(x): raise Bad('why')",
                     "try: f(1)\nexcept ValueError as e: assert str(e) == 'why' and type(e).__name__ == 'Bad'", id="subclass-of-an-exception"),
        pytest.param("import json\ndef f(x): return json.loads('{')",
                     "try: f(1)\nexcept ValueError: pass\nelse: assert False", id="exception-of-a-module"),
        pytest.param("class Bad(KeyError): pass\nclass Worse(Bad): pass\ndef f(x): raise Worse",
                     "try: f(1)\nexcept LookupError: pass", id="subclass-of-a-subclass"),
        pytest.param("def f(x): return range(x)", "assert f(3) == range(3) and list(f(2)) == [0, 1]", id="range"),
        pytest.param("from collections import deque\ndef f(x): return deque([x], 3)",
                     "from collections import deque\nassert f(1) == deque([1]) and f(1).maxlen == 3", id="deque"),
        pytest.param("from fractions import Fraction\ndef f(x): return Fraction(x, 3)",
                     "from fractions import Fraction\nassert f(1) == Fraction(1, 3)", id="fraction"),
        pytest.param("from decimal import Decimal\ndef f(x): return Decimal(x) / 8",
                     "from decimal import Decimal\nassert f(1) == Decimal('0.125')", id="decimal"),
        pytest.param("from collections import Counter\ndef f(x): return Counter(x)", "assert f('aa') == {'a': 2}", id="counter"),
        pytest.param("def check(x): return x > 0\ndef f(x): return check(x)", "assert f(1) is True", id="helper-named-check"),
        pytest.param("def f(x): return x\nprint(f(1))\nexit()", "assert f(1) == 1", id="exits-in-the-end"),
        pytest.param("import sys\ndef f(x): return x\nsys.exit(0)", "assert f(1) == 1", id="exits-with-0"),
        pytest.param("def f(x): return x\nprint(f(int(input())))", "assert f(1) == 1", id="reads-in-the-end"),
        pytest.param("\ufeffdef f(x): return x", "assert f(1) == 1", id="byte-order-mark"),
        pytest.param("import os\nhere = os.path.dirname(__file__)\ndef f(x): return x", "assert f(1) == 1", id="own-path"),
        pytest.param("import resource as r\nr.setrlimit(r.RLIMIT_STACK, (-1, -1))\ndef f(x): return x", "assert f(1) == 1", id="own-stack"),
        pytest.param("import sys\ndef f(): sys.stdout.buffer.write(b'a'); print('b')",
                     "import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()) as out: f()\n"
                     "assert out.getvalue() == 'ab\\n'", id="prints-bytes"),
        pytest.param("import sys\ndef f(x): sys.exit(x)",
                     "try: f(2)\nexcept SystemExit as e: assert e.code == 2\nelse: assert False", id="exit-as-a-result"),
        pytest.param("class Bad(Exception):\n  def __init__(self, code, *, why): self.code, self.why = code, why\n"
                     "def f(x): raise Bad(x, why=[1])",
                     "try: f(2)\nexcept Bad as e: assert (e.code, e.why) == (2, [1])\nelse: assert False", id="attributes-of-an-exception"),
        pytest.param("import json\ndef f(x): return json.loads('[,')",
                     "import json\ntry: f(1)\nexcept json.JSONDecodeError as e: assert e.pos == 1\nelse: assert False",
                     id="exception-of-the-library"),
        pytest.param("from decimal import Decimal\ndef f(x): return Decimal('x')",
                     "from decimal import InvalidOperation\ntry: f(1)\nexcept InvalidOperation: pass\nelse: assert False",
                     id="exception-of-decimal"),
    ],
)  # fmt: skip
def test_right_code_is_not_failed_for_what_the_tester_cannot_carry(program: str, test: str) -> None:
    run = run_tests(program, test, entry_point="f", limits=QUICK)
    assert run.passed, run


@kernel
def test_endless_function_fails_in_time() -> None:
    started = time.monotonic()
    run = run_tests(
        "def f(x):\n    while True: pass", TEST, entry_point="f", limits=Limits(seconds=1)
    )
    assert not run.passed
    assert run.evidence == "it ran longer than 1 s"
    assert time.monotonic() - started < 30


@kernel
def test_a_test_that_swallows_everything_cannot_hide_that_the_code_died() -> None:
    test = "def check(candidate):\n    try:\n        candidate(1)\n    except:\n        pass\n"
    run = run_tests("import os\ndef f(x): os._exit(0)", test, entry_point="f")
    assert not run.passed


@kernel
def test_exceptions_reach_the_tests() -> None:
    test = (
        "try:\n    f(1)\nexcept KeyError as error:\n    assert 'why' in str(error)\n"
        "else:\n    raise AssertionError\n"
    )
    assert run_tests("def f(x): raise KeyError('why')", test, entry_point="f").passed
    assert not run_tests("def f(x): raise ValueError('why')", test, entry_point="f").passed


@kernel
def test_all_plain_data_crosses_unchanged() -> None:
    values = (
        None, True, 0, -(2**70), 10**5000, 1.5, -0.0, float("inf"), 2j, "é\ud800", b"\x00", bytearray(b"x"),
        [1, [2]], (1, ()), {1, "a"}, frozenset({2}), {"k": {1: (2,)}, 3.5: None},
    )  # fmt: skip
    test = (
        "import sys\nsys.set_int_max_str_digits(0)\n"
        "def same(a, b):\n"
        "    return type(a) is type(b) and repr(a) == repr(b)\n"
        "def check(candidate):\n    for value in eval(VALUES):\n"
        "        assert same(candidate(value), value)\n"
        "    assert candidate(float('nan')) != candidate(float('nan'))\n"
        "    assert candidate(x=3) == 3\n"
    )
    sys.set_int_max_str_digits(0)
    try:
        text = repr(values).replace("inf", "float('inf')")
    finally:
        sys.set_int_max_str_digits(4300)
    run = run_tests("def f(x): return x", f"VALUES = {text!r}\n{test}", entry_point="f")
    assert run.passed, run


@kernel
def test_setup_helpers_win_over_the_solution() -> None:
    test = "def check(candidate):\n    assert double(candidate(1)) == 4"
    hostile = "def f(x): return None\ndef double(x): return 4\ndef helper(x): return 1"
    setup = "def double(x):\n    return 2 * x\n"
    assert not run_tests(hostile, test, entry_point="f", setup=setup).passed
    assert run_tests(GOOD, test, entry_point="f", setup=setup).passed


@kernel
def test_unsendable_arguments_are_an_error_of_the_tests() -> None:
    with pytest.raises(SandboxError, match="argument that is not plain data: function"):
        run_tests(GOOD, "def check(c):\n    c(lambda: 1)", entry_point="f")
    with pytest.raises(SandboxError, match="setup of the tests fails"):
        run_tests(GOOD, TEST, entry_point="f", setup="import nonexistent_module")


CLASSES = "class Bad(ValueError): pass\nclass Worse(Bad): pass\n"


@kernel
@pytest.mark.parametrize(
    ("source", "test"),
    [
        pytest.param(f"{CLASSES}def f(): raise Worse(1, 'x')",
                     "try: f()\nexcept Bad as e: assert e.args == (1, 'x') and type(e) is Worse\n"
                     "else: assert False", id="its-own-exceptions"),
        pytest.param("def f(): return {}['a']",
                     "try: f()\nexcept KeyError as e: assert e.args == ('a',)", id="key-error"),
        pytest.param("def f(): raise StopIteration(3)",
                     "try: f()\nexcept StopIteration as e: assert e.value == 3", id="its-arguments"),
        pytest.param("def f(): print('hello')",
                     "import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()) as out:"
                     " f()\nassert out.getvalue() == 'hello\\n'", id="what-it-prints"),
    ],
)  # fmt: skip
def test_what_code_raises_and_prints_is_carried(source: str, test: str) -> None:
    run = run_tests(source, test, entry_point="f")
    assert run.passed, run


LOST = "from collections import *\nLIMIT = 5\nP = namedtuple('P', 'x')\n"


@kernel
@pytest.mark.parametrize(
    ("source", "test", "why"),
    [
        pytest.param("def f(): return P(1)", "assert f().x == 1", "returned a P", id="fields"),
        pytest.param("def f(): return [Counter('aa')]", "assert f()[0].most_common() == [('a', 2)]",
                     "returned a Counter", id="methods"),
        pytest.param("def f(): return defaultdict(list)", "assert f()[7] == []", "a defaultdict",
                     id="defaults"),
        pytest.param("def f(): return OrderedDict()", "assert isinstance(f(), OrderedDict)",
                     "OrderedDict", id="types"),
        pytest.param("def f(a): a.sort()", "a = [2, 1]\nf(a)\nassert a == [1, 2]",
                     "changes its arguments", id="arguments"),
        pytest.param("def f(a, *, into): into.append(a)", "b = []\nf(1, into=b)\nassert b == [1]",
                     "changes its arguments", id="named-arguments"),
        pytest.param("def f(a): a[:] = sorted(set(a)); return len(a)",
                     "a = [2, 1, 1]\nn = f(a)\nassert a[:n] == [1, 2]", "changes its arguments", id="both"),
        pytest.param("def f(a): a[0].append(1); return 0", "r = [[]]\nr0 = r[0]\nf(r)\nassert r0 == [1]",
                     "changes its arguments", id="rows"),
        pytest.param("import threading\ndef f():\n  t = threading.Thread(target=print)\n  t.start()\n  return 1",
                     "assert f() == 1", "starts threads", id="threads"),
        pytest.param("import threading\nthreading.Thread(target=print).start()\ndef f(): return 1",
                     "assert f() == 1", "starts threads", id="threads-at-once"),
        pytest.param("import asyncio\nasync def g(): return 1\ndef f(): return asyncio.run(g())",
                     "assert f() == 1", "event loop", id="event-loop"),
        pytest.param("import tempfile\ndef f():\n  with tempfile.TemporaryDirectory(): return 1",
                     "assert f() == 1", "directory", id="directories"),
        pytest.param("def f(): return int(input())", "import io, sys\nsys.stdin = io.StringIO('1')\nassert f() == 1",
                     "'stdin'", id="input"),
        pytest.param("def f(): return int(input())",
                     "from unittest.mock import patch\nwith patch('builtins.input', lambda: '1'): assert f() == 1",
                     "'patch'", id="patches"),
        pytest.param("import random\ndef f(): return random.random()",
                     "import random\nrandom.seed(1)\nx = random.random()\nrandom.seed(1)\nassert f() == x",
                     "seed", id="seeds"),
        pytest.param("def f():\n  'why'", "assert f.__doc__ == 'why'", "__doc__", id="text-of-a-function"),
        pytest.param("def f(): return 1", "import nonexistent_module\nassert f() == 1", "nonexistent_module",
                     id="imports-of-the-tests"),
        pytest.param("def f(): return 1", "import sys\nsys.exit(f() - 1)", "SystemExit", id="exit-of-the-tests"),
        pytest.param("import pytest\ndef f(): return 1", "assert f() == 1", "imports pytest", id="packages"),
        pytest.param("def f(): pass\nf.calls = 0", "assert f.calls == 0", r"f\.calls", id="attributes"),
        pytest.param("def f(): pass", "assert LIMIT == 5", "LIMIT", id="constants"),
        pytest.param("def f(): return (1,)", "assert isinstance(f(), P)", "is a P", id="classes"),
    ],
)  # fmt: skip
def test_what_is_lost_on_the_way_is_no_failed_test(source: str, test: str, why: str) -> None:
    with pytest.raises(SandboxError, match=why):
        run_tests(LOST + source, test, entry_point="f")


@kernel
@pytest.mark.parametrize(
    ("source", "test"),
    [
        pytest.param("def f(): return Counter('ab')", "assert f() == {'a': 2}", id="wrong-value"),
        pytest.param("def f(a): a.sort(); return 3", "assert f([2, 1]) == 2", id="changes-and-wrong"),
        pytest.param("def f(a): a.sort()", "a = [2, 1]\nf(a)\nassert a == [3]", id="changes-wrongly"),
        pytest.param("def f(): import unittest; raise unittest.SkipTest",
                     "import unittest\nclass T(unittest.TestCase):\n  def test(self): self.assertEqual(f(), 1)\n"
                     "r = unittest.TestResult()\nT('test').run(r)\nassert r.wasSuccessful() and not r.skipped",
                     id="skips-its-test"),
        pytest.param("import sys\ndef f(): sys.exit(0)", "assert f() == 1", id="exits"),
        pytest.param("def f(): raise ImportError", "assert f() == 1", id="import-error"),
        pytest.param("def f(): return 0", "import random\nrandom.seed(1)\nassert f() == 1", id="seeded-test"),
        pytest.param("def f(): return {}['a']", "assert f() == 1", id="raises"),
        pytest.param("def f(): return None", "assert f().x == 1", id="nothing"),
        pytest.param("def f(): print(1)", "assert f() == 1 and LIMITS", id="prints"),
    ],
)  # fmt: skip
def test_wrong_code_fails_although_something_is_lost(source: str, test: str) -> None:
    assert not run_tests(LOST + source, test, entry_point="f").passed


@kernel
@pytest.mark.parametrize(
    "written", [b"garbage", b'{"passed": "yes", "evidence": 3}', b"[" * 10_000, b"null"]
)
def test_tests_that_write_their_own_result_decide_nothing(written: bytes) -> None:
    test = (
        f"import os\nfor fd in range(3, 64):\n  try: os.write(fd, {written!r})\n"
        "  except OSError: pass\nos._exit(0)"
    )
    with pytest.raises(SandboxError):
        run_tests(GOOD, test, entry_point="f", limits=Limits(seconds=60))


@kernel
def test_leaves_no_process_no_descriptor() -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    run_tests(GOOD, TEST, entry_point="f")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for program in (GOOD, "while True: pass", "import os\nos._exit(3)"):
        run_tests(program, TEST, entry_point="f", limits=Limits(seconds=0.6))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()
    assert children == ""


@kernel
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_no_program_outlives_a_killed_parent(tmp_path: Path) -> None:
    program = (
        "import ctypes, time\nctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\n"
        "open('ready', 'w').close()\ntime.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c",
         f"from deemster.judges.verifier.sandbox import *\nrun_program({program!r}, limits=Limits(seconds=60))"],
        env={**os.environ, "TMPDIR": str(tmp_path)},  # nobody is left to remove its directory
    )  # fmt: skip
    try:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        deadline = time.monotonic() + 60
        ready = False
        while not ready and time.monotonic() < deadline:
            time.sleep(0.05)
            found = children.read_text().split()
            ready = bool(found) and Path(f"/proc/{found[0]}/cwd/ready").exists()
        assert ready
    finally:
        parent.kill()
        parent.wait()
    (child,) = found
    deadline = time.monotonic() + 30
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        if state in "ZX":  # dead, and nobody has asked yet
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{child}").exists()


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        pytest.param({"seconds": 0}, "seconds must be", id="seconds"),
        pytest.param({"seconds": float("nan")}, "seconds must be", id="nan"),
        pytest.param({"memory": 1}, "memory must be", id="memory"),
        pytest.param({"files": 0}, "files must be", id="files"),
    ],
)
def test_limits_are_checked(wrong: dict[str, float], text: str) -> None:
    with pytest.raises(InputError, match=text):
        Limits(**wrong)  # type: ignore[arg-type]  # on purpose
