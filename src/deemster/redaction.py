"""Secrets that this process has read, and their removal from what is shown and kept.

Values of environment variables come into files as `${NAME}`; keys come from the environment or
from the caller. Whoever reads one says so here, and every error text is redacted as it is made.
"""

from __future__ import annotations

import base64
import functools
import html
import json
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

SHORTEST = 6
"""Characters of the shortest secret that is looked for in texts: shorter ones are in any text."""

_VARIABLES = re.compile(
    r"(^|_)(keys?|apikey|tokens?|secrets?|pass|passwd|password|pat|pw|credentials?|cookie|dsn|auth)"
    r"(_|$)",
    re.IGNORECASE,
)
_SETTINGS = re.compile(r"api_?key|token|secret|passw|authorization|credential", re.IGNORECASE)
_HEADERS = re.compile(r"headers?$", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Up to the last @ of the host's part; or a password with a slash or the like in it: no port.
_USERINFO = re.compile(
    r"(?<=://)(?:[^/\s?#\"']+@|[^/\s?#\"'@:]+:(?!\d*+(?:[/?#\s\"']|$))[^\s\"']{0,200}@)"
)
# What the name is made of is looked at afterwards: in one pattern the time would not be linear.
_QUERY = re.compile(r"(&[^=&#\s]*+)=[^&#\s\"']+|(\?[^=&#\s]*+)(?:=[^&#\s\"']+)?")
_QUERY_SECRETS = re.compile(r"key|token|secret|passw|auth|sig|cred", re.IGNORECASE)
_PERCENT = re.compile(r"%[0-9A-F]{2}")

_written: dict[str, str] = {}
"""What stands in a file, by what it became when the variables were filled in."""
_hidden: dict[str, str] = {}
"""What is shown, by what is hidden."""


@functools.lru_cache(maxsize=4096)
def is_secret_variable(name: str) -> bool:
    """Whether an environment variable of this name holds a secret."""
    return bool(_VARIABLES.search(name))


def note_filled(filled: str, written: str, values: Mapping[str, str], *, hide: bool) -> None:
    """Remember a text with `${NAME}` in it.

    Args:
        filled: the text with the variables' values.
        written: the text as it stands in the file.
        values: the variables in it.
        hide: whether the values are hidden wherever they turn up.
    """
    _written[filled] = written
    if hide:
        for name, value in values.items():
            note_secret(value, f"${{{name}}}")


def note_secret(value: str, shown: str = "***") -> None:
    """Hide a value from now on, in all of its forms."""
    if len(value) >= SHORTEST:
        for form in forms_of(value):
            _hidden.setdefault(form, shown)
    parts = urlsplit(value) if "://" in value else None
    if parts is not None and "@" in parts.netloc:
        note_login(parts.netloc.rpartition("@")[0])


@functools.lru_cache(maxsize=1024)
def forms_of(secret: str) -> tuple[str, ...]:
    """A secret as it is, and as URLs, JSON, HTML, Python and base64 write it."""
    in_urls = [quote(secret, safe=safe, errors="surrogatepass") for safe in ("", "/")]
    in_urls += [text.replace("%20", "+") for text in in_urls]
    in_json = [json.dumps(secret, ensure_ascii=plain)[1:-1] for plain in (True, False)]
    in_html = [html.escape(secret, quote=False), html.escape(secret)]
    found = (
        secret,
        unquote(secret),
        repr(secret)[1:-1],
        *in_urls,
        *(_PERCENT.sub(lambda code: code[0].lower(), text) for text in in_urls),
        *in_json,
        *(text.replace("/", r"\/") for text in in_json),
        *in_html,
        in_html[1].replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
        *_in_base64(secret),
        *_in_base64(f":{secret}"),  # of a login without a user
    )
    return tuple(dict.fromkeys(found))


def _in_base64(text: str) -> tuple[str, ...]:
    """In both alphabets, with padding and without."""
    coded = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()
    every = (coded, coded.replace("+", "-").replace("/", "_"))
    return (*every, *(one.rstrip("=") for one in every))


def note_login(login: str) -> None:
    """Hide the `user:password` of a URL, and the header that is made of it."""
    for form in _forms_of_login(login):
        _hidden.setdefault(form, "***")


@functools.lru_cache(maxsize=256)
def _forms_of_login(login: str) -> tuple[str, ...]:
    """The password of a URL's `user:password` in its forms, and the header made of both."""
    password = unquote(login.partition(":")[2])
    found = forms_of(password) if len(password) >= SHORTEST else ()
    coded = _in_base64(unquote(login))
    return (*found, *(coded if len(coded[0]) >= SHORTEST else ()))


def written_form(text: str) -> str | None:
    """What stands in the file in place of `text`; None: it has no variable in it."""
    return _written.get(text)


def variables_in(value: Any) -> frozenset[str]:  # noqa: ANN401 - JSON
    """Names of the environment variables that came into the texts in `value` from a file."""
    if isinstance(value, Mapping):
        return frozenset().union(*(variables_in(item) for pair in value.items() for item in pair))
    if isinstance(value, list | tuple):
        return frozenset().union(*map(variables_in, value))
    written = _written.get(value) if isinstance(value, str) else None
    return frozenset() if written is None else frozenset(_VARIABLE.findall(written))


def known_secrets() -> dict[str, str]:
    """What is shown in place of each known secret, longest first.

    Those are the noted ones, the values of the environment's variables with a secret's name, and
    the logins of its proxies.
    """
    found = _proxy_logins() | environment_secrets() | _hidden
    return dict(sorted(found.items(), key=lambda one: -len(one[0])))


def environment_secrets() -> dict[str, str]:
    """Of the environment's variables with a secret's name: what is shown, by value."""
    return {
        form: f"${{{name}}}"
        for name, value in os.environ.items()
        if len(value) >= 2 * SHORTEST and is_secret_variable(name)
        for form in forms_of(value)
    }


def _proxy_logins() -> dict[str, str]:
    """What is shown in place of the proxies' logins.

    No server is shown them, so that its answers are left alone: a password there may be any word.
    """
    return {
        form: f"${{{name}}}"
        for name, value in os.environ.items()
        if "@" in value and name.lower().endswith("_proxy") and (login := _login_of(value))
        for form in _forms_of_login(login)
    }


@functools.lru_cache(maxsize=256)
def _login_of(url: str) -> str:
    """The `user:password` of an address; empty without one."""
    try:
        return urlsplit(url).netloc.rpartition("@")[0]
    except ValueError:  # no address
        return ""


def redact(text: str) -> str:
    """The text without secrets: known ones, and logins in URLs."""
    for secret, shown in known_secrets().items():
        if secret in text:
            text = text.replace(secret, shown)
    return _without_logins(text)


def _without_logins(text: str) -> str:
    if "://" not in text:
        return text
    return _QUERY.sub(_without_value, _USERINFO.sub("***@", text))


def _without_value(found: re.Match[str]) -> str:
    start = found[1] or found[2]
    secret = found[0] != start and _QUERY_SECRETS.search(start)
    return f"{start}=***" if secret else found[0]


def hidden_in(value: Any) -> frozenset[str]:  # noqa: ANN401 - JSON
    """The hidden values that came into the texts in `value` from a file."""
    if isinstance(value, Mapping):
        return frozenset().union(*map(hidden_in, value.values()))
    if isinstance(value, list | tuple):
        return frozenset().union(*map(hidden_in, value))
    if not isinstance(value, str) or value not in _written:
        return frozenset()
    return frozenset(secret for secret in _hidden if secret in value)


def secrets_in(value: Any, name: str = "") -> list[str]:  # noqa: ANN401 - JSON
    """The texts in `value` of settings with a secret's name (`azure_ad_token`, `client_secret`)."""
    if isinstance(value, Mapping):
        return [text for key, item in value.items() for text in secrets_in(item, str(key))]
    if isinstance(value, list | tuple):
        return [text for item in value for text in secrets_in(item, name)]
    return [value] if isinstance(value, str) and _SETTINGS.search(name) else []


def redact_all(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The texts in a JSON value redacted, keys included."""
    if isinstance(value, Mapping):
        return {redact_all(key): redact_all(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_all(item) for item in value]
    return redact(value) if isinstance(value, str) else value


def without_secrets(value: Any, name: str = "") -> Any:  # noqa: ANN401 - any YAML value
    """What a file says, without the secrets that stand in it in clear text.

    Those are the values of settings with a secret's name, of headers, and logins in URLs. Names
    of variables stay.
    """
    if isinstance(value, Mapping):
        inner = "headers" if _HEADERS.search(name) else ""
        return {key: without_secrets(item, inner or str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item, name) for item in value]
    if not isinstance(value, str):
        return value
    if (_SETTINGS.search(name) or _HEADERS.search(name)) and not _VARIABLE.fullmatch(value):
        return "(not stored)"
    value = _without_logins(value)
    return re.sub(r"=[^&#]+", "=***", value) if name == "api_base" else value
