"""System calls that sandboxed code may make, by machine; all others do not exist for it.

Numbers are the kernel's ABI and never change. A call that a machine does not have is left out.
"""

from __future__ import annotations

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""`AUDIT_ARCH_*` of linux/audit.h."""

ALLOWED: dict[str, dict[str, int]] = {
    "x86_64": {
        # files
        "read": 0, "write": 1, "readv": 19, "writev": 20, "pread64": 17, "pwrite64": 18,
        "preadv": 295, "pwritev": 296, "preadv2": 327, "pwritev2": 328, "open": 2, "openat": 257,
        "openat2": 437, "close": 3, "lseek": 8, "stat": 4, "fstat": 5,
        "lstat": 6, "newfstatat": 262, "statx": 332, "statfs": 137, "fstatfs": 138, "access": 21,
        "faccessat": 269, "faccessat2": 439, "readlink": 89, "readlinkat": 267, "getdents": 78,
        "getdents64": 217, "getcwd": 79, "chdir": 80, "fchdir": 81, "unlink": 87, "unlinkat": 263,
        "rename": 82, "renameat": 264, "renameat2": 316, "ftruncate": 77,
        "fsync": 74, "fdatasync": 75, "sync_file_range": 277, "fadvise64": 221, "readahead": 187,
        "copy_file_range": 326, "sendfile": 40, "splice": 275, "tee": 276, "dup": 32, "dup2": 33,
        "dup3": 292, "pipe": 22, "pipe2": 293, "flock": 73, "umask": 95, "mkdir": 83,
        "mkdirat": 258, "rmdir": 84, "creat": 85,
        # memory
        "brk": 12, "mmap": 9, "munmap": 11, "mprotect": 10, "mremap": 25, "madvise": 28,
        "msync": 26, "mincore": 27, "mlock": 149, "munlock": 150, "mlock2": 325, "membarrier": 324,
        "pkey_alloc": 330, "pkey_free": 331, "pkey_mprotect": 329,
        # waiting
        "poll": 7, "ppoll": 271, "select": 23, "pselect6": 270, "epoll_create": 213,
        "epoll_create1": 291, "epoll_ctl": 233, "epoll_wait": 232, "epoll_pwait": 281,
        "epoll_pwait2": 441, "eventfd": 284, "eventfd2": 290, "timerfd_create": 283,
        "timerfd_settime": 286, "timerfd_gettime": 287, "signalfd4": 289, "nanosleep": 35,
        "clock_nanosleep": 230, "pause": 34, "alarm": 37, "getitimer": 36, "setitimer": 38,
        "timer_create": 222, "timer_settime": 223, "timer_gettime": 224, "timer_getoverrun": 225,
        "timer_delete": 226, "restart_syscall": 219, "sched_yield": 24,
        # signals
        "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigpending": 127, "rt_sigtimedwait": 128,
        "rt_sigsuspend": 130, "rt_sigreturn": 15, "sigaltstack": 131,
        # threads
        "futex": 202, "futex_waitv": 449, "set_robust_list": 273, "get_robust_list": 274,
        "set_tid_address": 218, "rseq": 334, "arch_prctl": 158, "set_thread_area": 205, "exit": 60,
        "exit_group": 231, "wait4": 61, "waitid": 247,
        # facts
        "getpid": 39, "getppid": 110, "gettid": 186, "getuid": 102, "geteuid": 107, "getgid": 104,
        "getegid": 108, "getresuid": 118, "getresgid": 120, "getgroups": 115, "getpgid": 121,
        "getpgrp": 111, "getsid": 124, "getpriority": 140, "getrlimit": 97, "getrusage": 98,
        "times": 100, "time": 201, "gettimeofday": 96, "clock_gettime": 228, "clock_getres": 229,
        "sysinfo": 99, "uname": 63, "getcpu": 309, "getrandom": 318, "capget": 125,
        "sched_getaffinity": 204, "sched_getparam": 143, "sched_getscheduler": 145,
        "sched_getattr": 315, "sched_get_priority_max": 146, "sched_get_priority_min": 147,
        "sched_rr_get_interval": 148, "getxattr": 191, "lgetxattr": 192, "fgetxattr": 193,
        "listxattr": 194, "llistxattr": 195, "flistxattr": 196, "get_mempolicy": 239,
    },
    "aarch64": {
        # files
        "read": 63, "write": 64, "readv": 65, "writev": 66, "pread64": 67, "pwrite64": 68,
        "preadv": 69, "pwritev": 70, "preadv2": 286, "pwritev2": 287, "openat": 56, "openat2": 437,
        "close": 57, "lseek": 62, "fstat": 80, "newfstatat": 79, "statx": 291,
        "statfs": 43, "fstatfs": 44, "faccessat": 48, "faccessat2": 439, "readlinkat": 78,
        "getdents64": 61, "getcwd": 17, "chdir": 49, "fchdir": 50, "unlinkat": 35, "renameat": 38,
        "renameat2": 276, "ftruncate": 46, "fsync": 82, "fdatasync": 83,
        "sync_file_range": 84, "fadvise64": 223, "readahead": 213, "copy_file_range": 285,
        "sendfile": 71, "splice": 76, "tee": 77, "dup": 23, "dup3": 24, "pipe2": 59, "flock": 32,
        "umask": 166, "mkdirat": 34,
        # memory
        "brk": 214, "mmap": 222, "munmap": 215, "mprotect": 226, "mremap": 216, "madvise": 233,
        "msync": 227, "mincore": 232, "mlock": 228, "munlock": 229, "mlock2": 284,
        "membarrier": 283, "pkey_alloc": 289, "pkey_free": 290, "pkey_mprotect": 288,
        # waiting
        "ppoll": 73, "pselect6": 72, "epoll_create1": 20, "epoll_ctl": 21, "epoll_pwait": 22,
        "epoll_pwait2": 441, "eventfd2": 19, "timerfd_create": 85, "timerfd_settime": 86,
        "timerfd_gettime": 87, "signalfd4": 74, "nanosleep": 101, "clock_nanosleep": 115,
        "getitimer": 102, "setitimer": 103, "timer_create": 107, "timer_settime": 110,
        "timer_gettime": 108, "timer_getoverrun": 109, "timer_delete": 111, "restart_syscall": 128,
        "sched_yield": 124,
        # signals
        "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigpending": 136, "rt_sigtimedwait": 137,
        "rt_sigsuspend": 133, "rt_sigreturn": 139, "sigaltstack": 132,
        # threads
        "futex": 98, "futex_waitv": 449, "set_robust_list": 99, "get_robust_list": 100,
        "set_tid_address": 96, "rseq": 293, "exit": 93, "exit_group": 94, "wait4": 260,
        "waitid": 95,
        # facts
        "getpid": 172, "getppid": 173, "gettid": 178, "getuid": 174, "geteuid": 175, "getgid": 176,
        "getegid": 177, "getresuid": 148, "getresgid": 150, "getgroups": 158, "getpgid": 155,
        "getsid": 156, "getpriority": 141, "getrlimit": 163, "getrusage": 165, "times": 153,
        "gettimeofday": 169, "clock_gettime": 113, "clock_getres": 114, "sysinfo": 179,
        "uname": 160, "getcpu": 168, "getrandom": 278, "capget": 90, "sched_getaffinity": 123,
        "sched_getparam": 121, "sched_getscheduler": 120, "sched_getattr": 275,
        "sched_get_priority_max": 125, "sched_get_priority_min": 126, "sched_rr_get_interval": 127,
        "getxattr": 8, "lgetxattr": 9, "fgetxattr": 10, "listxattr": 11, "llistxattr": 12,
        "flistxattr": 13, "get_mempolicy": 236,
    },
}  # fmt: skip
"""Files (Landlock says which), memory, waiting, signals to itself, threads, facts about itself.

Not among them, as nothing bars what they reach: sockets of any kind, also pairs of them, which can
send to paths; other programs and processes; what changes owners, modes, times and attributes of
files; shared memory, queues and keys, which outlive the process; identities, priorities and
limits; namespaces, mounts, `io_uring`, `bpf` and whatever a newer kernel brings.
"""

FILTERED: dict[str, dict[str, int]] = {
    "x86_64": {
        "clone": 56, "clone3": 435, "kill": 62, "tgkill": 234, "prlimit64": 302,
        "fcntl": 72, "ioctl": 16, "prctl": 157, "fallocate": 285, "close_range": 436,
    },
    "aarch64": {
        "clone": 220, "clone3": 435, "kill": 129, "tgkill": 131, "prlimit64": 261,
        "fcntl": 25, "ioctl": 29, "prctl": 167, "fallocate": 47, "close_range": 436,
    },
}  # fmt: skip
"""Calls allowed only with certain arguments; see `confine`."""
