"""What sandboxed code may use."""

from __future__ import annotations

import math
import sys
import sysconfig
from dataclasses import dataclass

from deemster.errors import InputError


@dataclass(frozen=True)
class Limits:
    """Bounds on one run of untrusted code.

    Attributes:
        seconds: wall-clock time, > 0; the CPU time is limited to a second more.
        memory: bytes of address space, >= 64 MiB.
        file_bytes: largest size of one file, standard output included, >= 1 KiB.
        disk_bytes: total size of its files, those without a name too, checked ten times a second.
        files: number of the files it leaves, checked likewise.
        threads: whether it may start threads; code that needs them has no score otherwise. It may
            never start processes.
        packages: whether it may import installed packages, or the standard library only.
        strict: refuse to run where the kernel does not enforce isolation. False falls back to a
            Python audit hook there: no defence against code written to escape.
    """

    seconds: float = 10.0
    memory: int = 512 << 20
    file_bytes: int = 1 << 20
    disk_bytes: int = 16 << 20
    files: int = 256
    threads: bool = False
    packages: bool = False
    strict: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise InputError(f"seconds must be a finite number above 0, got {self.seconds!r}")
        for name, least in (
            ("memory", 64 << 20),
            ("file_bytes", 1 << 10),
            ("disk_bytes", 1 << 10),
            ("files", 1),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise InputError(f"{name} must be a whole number >= {least}, got {value!r}")

    def confinement(self, *, workdir: str, parent: int) -> dict[str, object]:
        """The arguments of `confine` in the child."""
        return {
            "memory": self.memory,
            "cpu": math.ceil(self.seconds) + 1,  # the wall clock gives the clearer message
            "file_bytes": self.file_bytes,
            "readable": _readable(packages=self.packages),
            "workdir": workdir,
            "parent": parent,
            "threads": self.threads,
            "strict": self.strict,
        }


def _readable(*, packages: bool) -> list[str]:
    """The Python installation, the shared libraries it needs, and the time zones."""
    paths = sysconfig.get_paths()
    roots = {paths["stdlib"], paths["platstdlib"], sys.base_prefix + "/lib"}
    if packages:
        roots |= {paths["purelib"], paths["platlib"]}
    system = {"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache"}
    return sorted(roots | system)
