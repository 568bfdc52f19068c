"""Permanently removes rights from the process that calls it.

On Linux (x86_64, aarch64; kernel 5.13 or newer with Landlock), by the kernel:

- no network and no sockets at all, TCP by Landlock too;
- no other process: no fork, no exec, no signals to others, no ptrace, no threads unless asked;
- no other system calls than those of a list (`syscalls.ALLOWED`), which names what a program that
  computes needs: what a newer kernel brings is not on it;
- no file outside the working directory can be written or, but for the Python installation,
  read; in it plain files only, no directories or links; no chmod, chown, xattr anywhere;
- memory, CPU time, file size and open files are limited; no limit but that of the stack can be
  changed; capabilities are dropped, `no_new_privs` is set; the process dies with its parent.

Elsewhere only the resource limits are the kernel's. Then `confine(..., strict=False)` adds a
Python audit hook that refuses the same things; it stops accidents and simple attacks, but code
that bypasses Python (ctypes, a bug in an extension) gets past it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys
from collections.abc import Callable, Sequence

from .guard import install_guard
from .syscalls import ALLOWED, AUDIT_ARCH, FILTERED

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SIGKILL, _EPERM, _ENOSYS = 9, 1, 38
_RLIMIT_STACK = 3
_THREAD = (0x10000, 0x400, 0x100)
"""CLONE_THREAD, CLONE_FILES, CLONE_VM: a thread with files of its own could hide some."""
_COMMANDS = {
    "fcntl": (0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 16, 36, 37, 38, 1025, 1030, 1031, 1032, 1034),
    "ioctl": (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451),
}
"""What a descriptor may be asked. fcntl: copies, flags, locks, sizes of pipes, and what is set;
ioctl: TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX. The rest is refused: owners that
the kernel signals, leases that make others wait, notices, attributes of files, devices' own."""
_PRCTL_READS = (2, 3, 15, 16, 23, 27, 30, 39)
"""PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_CAPBSET_READ,
PR_GET_SECUREBITS, PR_GET_TIMERSLACK, PR_GET_NO_NEW_PRIVS: the rest is refused, above all the
setting of the signal that ends it with its parent."""

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06

_READ_FILE, _READ_DIR, _WRITE_FILE, _REMOVE_FILE, _MAKE_REG = 1 << 2, 1 << 3, 1 << 1, 1 << 5, 1 << 8
_TRUNCATE = 1 << 14
_FS_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All file rights that a Landlock ABI knows, by the ABI that brought the last of them."""
_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446


class ConfineError(Exception):
    """The kernel refused a restriction, so nothing untrusted may run."""


def confine(
    *,
    memory: int,
    cpu: int,
    file_bytes: int,
    readable: Sequence[str],
    workdir: str,
    parent: int,
    threads: bool,
    strict: bool,
) -> None:
    """Give up every right that the module's text lists. Cannot be undone.

    Args:
        memory: bytes of address space.
        cpu: seconds of CPU time.
        file_bytes: largest size of a file.
        readable: directories and files that may be read.
        workdir: the one directory in which files may be made.
        parent: process id of the parent; the process ends when the parent has.
        threads: whether threads may be started.
        strict: fail unless the kernel enforces all of it.

    Raises:
        ConfineError: `strict`, and the kernel does not.
    """
    if sys.platform != "linux":
        if strict:
            raise ConfineError(f"no kernel sandbox on {sys.platform}")
        _limit(memory, cpu, file_bytes)
        install_guard(workdir)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    _call(libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "PR_SET_PDEATHSIG")
    if os.getppid() != parent:  # the parent died before the line above ran
        os._exit(1)
    _limit(memory, cpu, file_bytes)
    _call(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    bars: list[Callable[[], None]] = [
        lambda: _landlock(libc, readable, workdir),
        lambda: _drop_capabilities(libc),
        lambda: _seccomp(libc, threads=threads),
    ]
    for bar in bars:
        try:
            bar()
        except ConfineError:
            if strict:
                raise
    if not strict:
        install_guard(workdir)


def _call(returned: int, what: str) -> int:
    if returned < 0:
        raise ConfineError(f"{what}: {os.strerror(ctypes.get_errno())}")
    return returned


def _limit(memory: int, cpu: int, file_bytes: int) -> None:
    wanted = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 1,  # none, to a program neither, which 0 would allow
    }
    for kind, limit in wanted.items():
        _, hard = resource.getrlimit(kind)
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):  # macOS refuses an address-space limit
            if sys.platform == "linux":
                raise


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    header = struct.pack("=Ii", 0x20080522, 0)
    _call(libc.capset(header, bytes(24)), "capset")


def _landlock(libc: ctypes.CDLL, readable: Sequence[str], workdir: str) -> None:
    abi = _call(libc.syscall(_CREATE, None, ctypes.c_size_t(0), 1), "Landlock")
    rights = _FS_RIGHTS[max(level for level in _FS_RIGHTS if level <= abi)]
    net = 3 if abi >= 4 else 0  # bind and connect of TCP
    scoped = 3 if abi >= 6 else 0  # abstract unix sockets and signals
    attributes = struct.pack("=QQQ", rights, net, scoped)
    size = ctypes.c_size_t(24 if abi >= 6 else 16 if abi >= 4 else 8)
    ruleset = _call(libc.syscall(_CREATE, attributes, size, 0), "landlock_create_ruleset")
    in_workdir = _READ_FILE | _READ_DIR | _WRITE_FILE | _REMOVE_FILE | _MAKE_REG | _TRUNCATE
    rules = [(path, _READ_FILE | _READ_DIR) for path in readable]
    rules += [(workdir, in_workdir), ("/dev/null", _READ_FILE | _WRITE_FILE)]
    rules += [("/dev/urandom", _READ_FILE), ("/dev/stdin", _READ_FILE)]  # what they lead to now
    rules += [(f"/dev/std{name}", _WRITE_FILE | _TRUNCATE) for name in ("out", "err")]
    for path, wanted in rules:
        if not os.path.exists(path):  # noqa: PTH110 - pathlib is slow to import
            continue
        in_file = rights & (_READ_FILE | _WRITE_FILE | _TRUNCATE)
        allowed = wanted & (rights if os.path.isdir(path) else in_file)  # noqa: PTH112 - as above
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rule = struct.pack("=Qi", allowed, fd)
            _call(libc.syscall(_ADD_RULE, ruleset, 1, rule, 0), f"landlock_add_rule {path}")
        finally:
            os.close(fd)
    _call(libc.syscall(_RESTRICT, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


def _seccomp(libc: ctypes.CDLL, *, threads: bool) -> None:
    machine = os.uname().machine
    if machine not in AUDIT_ARCH:
        raise ConfineError(f"no system-call filter for {machine}")
    program = _filter(machine, os.getpid(), threads=threads)
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    prog = struct.pack("@HxxxxxxP", len(program), ctypes.addressof(buffer))
    _call(libc.prctl(_PR_SET_SECCOMP, 2, prog, 0, 0), "seccomp")


_Line = tuple[int, int, int, int]


def _filter(machine: str, pid: int, *, threads: bool) -> list[_Line]:
    """A classic BPF program; a line is (code, jump if true, jump if false, k)."""
    deny = (_RET, 0, 0, _ERRNO | _EPERM)
    allow = (_RET, 0, 0, _ALLOW)
    absent = (_RET, 0, 0, _ERRNO | _ENOSYS)  # what libraries know from older kernels
    lines: list[_Line] = [
        (_LOAD, 0, 0, 4),  # the ABI of the call: a 32-bit one has other numbers
        (_JEQ, 1, 0, AUDIT_ARCH[machine]),
        (_RET, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
    ]
    if machine == "x86_64":  # the x32 ABI numbers calls from here on
        lines += [(_JGE, 0, 1, 0x40000000), deny]
    for number in sorted(ALLOWED[machine].values()):
        lines += [(_JEQ, 0, 1, number), allow]
    numbers = FILTERED[machine]

    def when(name: str, body: list[_Line]) -> None:
        lines.extend([(_JEQ, 0, len(body), numbers[name]), *body])

    when("clone3", [absent])  # its flags are out of reach; libc uses clone
    if threads:
        shared = [line for flag in _THREAD for line in ((_JSET, 1, 0, flag), deny)]
        when("clone", [_argument(0), *shared, allow])
    else:
        when("clone", [deny])
    when("close_range", [_argument(2), (_JSET, 0, 1, 2), deny, allow])  # CLOSE_RANGE_UNSHARE
    # Other modes reserve blocks that no file size shows and no limit counts.
    when("fallocate", [_argument(1), (_JEQ, 0, 1, 0), allow, deny])
    permitted = [line for which in _PRCTL_READS for line in ((_JEQ, 0, 1, which), allow)]
    when("prctl", [_argument(0), *permitted, deny])
    for name in ("kill", "tgkill"):
        when(name, [_argument(0), (_JEQ, 0, 1, pid), allow, deny])
    # Limits may be read (no new value: a null pointer, both halves of it), and that of its own
    # stack set, as programs that recurse deeply do: the limit of memory holds for it, too.
    read = [_argument(2), (_JEQ, 0, 3, 0), _argument(2, high=True), (_JEQ, 0, 1, 0), allow]
    stack = [_argument(1), (_JEQ, 0, 3, _RLIMIT_STACK), _argument(0), (_JEQ, 0, 1, 0), allow]
    when("prlimit64", [*read, *stack, deny])
    for name, commands in _COMMANDS.items():
        permitted = [line for command in commands for line in ((_JEQ, 0, 1, command), allow)]
        when(name, [_argument(1), *permitted, deny])
    return [*lines, absent]


def _argument(index: int, *, high: bool = False) -> _Line:
    return (_LOAD, 0, 0, 16 + 8 * index + 4 * high)
