"""Where keys may go.

What the caller says is the caller's own. A file may be somebody else's: what it says about the
server must not send the reader's keys to it. So for a server that such a file names, keys go only

* to the provider's own service, or to the URL that the user's environment has for the provider;
* to a URL that is, as a whole, a variable of the environment;
* to a host of the user's keys file, and then the key that is named there.
"""

from __future__ import annotations

import functools
import os
import re
import sys
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from deemster.backends.base import Trust
from deemster.errors import InputError, UnusableModelError
from deemster.files import exists, read_text
from deemster.redaction import variables_in, written_form

_HOST = re.compile(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]")
_ONE_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_PORTS = {"http": 80, "https": 443}
_KEYS_FILE_BYTES = 256 * 2**10


@dataclass(frozen=True)
class Grant:
    """What may be sent to one server."""

    everything: bool
    """The keys of the environment too."""
    variable: str | None = None
    """Else the environment variable of the key that the user named for this server."""


def origin(url: str) -> str | None:
    """`scheme://host:port`; None where programs might not agree on what the host is."""
    parts = split(url)
    host = parts.netloc.rpartition("@")[2].lower() if parts else ""
    host, _, port = host.rpartition(":") if re.search(r":\d+$", host) else (host, "", "")
    if parts is None or parts.scheme not in _PORTS or not _HOST.fullmatch(host):
        return None
    return f"{parts.scheme}://{host}:{port or _PORTS[parts.scheme]}"


def split(url: str) -> SplitResult | None:
    """The parts of a URL; None if it is none, or has characters that no URL has."""
    if not url.isascii() or re.search(r"[\s\\\x00-\x1f\x7f]", url):
        return None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises if it is no number
    except ValueError:
        return None
    return parts


def grant(base: str | None, own: Iterable[str | None], trust: Trust) -> Grant:
    """What may be sent to the server at `base`.

    Args:
        base: `api_base` as given; None is the provider's own.
        own: URLs of the provider, and those that the user's environment has for it.
        trust: see `APIBackend`.

    Raises:
        InputError: the user's keys file cannot be read.
    """
    if trust is True or base is None or (trust is not False and base in trust):
        return Grant(everything=True)
    if _ONE_VARIABLE.fullmatch(written_form(base) or ""):
        return Grant(everything=True)
    asked = origin(base)
    if asked is None:
        return Grant(everything=False)
    if asked in {origin(one) for one in own if one}:
        return Grant(everything=True)
    return Grant(everything=False, variable=read_keys_file().get(asked))


def check_sent(base: str, sent: Mapping[str, Any], allowed: Grant, model: str) -> None:
    """Refuse to send values of the environment to a server that may not have them.

    Args:
        base: the server.
        sent: by option, what the file says is to be sent there; the URL itself is among it.
        allowed: what may be sent.
        model: how the error calls the model.

    Raises:
        UnusableModelError: a value of `sent` came from an environment variable.
    """
    for option, value in sent.items():
        names = variables_in(value) - {allowed.variable}
        if names and not allowed.everything:
            name = min(names)
            raise UnusableModelError(
                f"model {model!r}: {option} would send ${{{name}}} to {show(base)}, which a file "
                f"names; {remedy(base, name)}"
            )


def remedy(base: str, variable: str) -> str:
    """What the user writes to let a key go to a server."""
    host = _short(base)
    entry = f'write "{host}" = "{variable}" into {keys_path()}, or ' if host else ""
    return f"if that is meant, {entry}give --trust-suite (in Python: trust=True)"


def tell_withheld(model: str, base: str, variable: str) -> None:
    """Say on stderr, once per server, that it does not get a key that the environment has."""
    _tell_once(
        f"deemster: {variable} is not sent to {show(base)}, which a file names for {model!r}; "
        + remedy(base, variable)
    )


@functools.cache
def _tell_once(text: str) -> None:
    # Not by logging: whoever has set that up otherwise must see it too.
    if sys.stderr is not None:
        sys.stderr.write(f"{text}\n")


def show(base: str) -> str:
    """The server as messages call it: neither login nor query, and no value of a variable."""
    written = written_form(base)
    if written is not None:
        return written
    parts = split(base)
    if parts is None or not parts.netloc:
        return repr(base.rpartition("@")[2].partition("?")[0])
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def keys_path() -> Path:
    """The user's keys file: a TOML table from hosts to names of environment variables."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "deemster" / "keys.toml"


def read_keys_file() -> dict[str, str]:
    """By origin, the environment variable that holds the key; empty if there is no file.

    A bare `host` or `host:port` means https, and http too on this machine.

    Raises:
        InputError: it cannot be read, or says something else.
    """
    path = keys_path()
    if not exists(path) and not path.is_symlink():
        return {}
    text = read_text(path, what="keys file", limit=_KEYS_FILE_BYTES)
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError
        raise InputError(f"cannot read the keys file {str(path)!r}: {error}") from error
    keys: dict[str, str] = {}
    for host, variable in found.items():
        origins = _origins(host)
        if not origins or not isinstance(variable, str) or not variable.isidentifier():
            raise InputError(
                f"{path}: {host!r} = {_shown(variable)}; write for example "
                '"judge.example.org" = "EXAMPLE_API_KEY", the name of an environment variable'
            )
        keys |= dict.fromkeys(origins, variable)
    return keys


def _origins(host: str) -> Collection[str]:
    if "://" in host:
        one = origin(host)
        return () if one is None else (one,)
    secure = origin(f"https://{host}")
    if secure is None or "/" in host:
        return ()
    plain = origin(f"http://{host}")
    return (secure, plain) if plain and _host(plain) in _LOOPBACK else (secure,)


def _host(of: str) -> str:
    return of.partition("://")[2].rpartition(":")[0]


def _shown(variable: object) -> str:
    """The value, unless somebody wrote the key in place of its name."""
    plain = isinstance(variable, str) and not re.fullmatch(r"[A-Z][A-Z0-9_]{0,60}", variable)
    return "(not a name)" if plain else repr(variable)


def _short(base: str) -> str:
    """What stands for the server in the keys file."""
    found = origin(base)
    if found is None:
        return ""
    scheme, _, host = found.partition("://")
    host = host.removesuffix(f":{_PORTS[scheme]}")
    return host if scheme == "https" or _host(found) in _LOOPBACK else f"http://{host}"
