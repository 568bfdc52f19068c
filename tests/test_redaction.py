"""Taking secrets out of texts: what is hidden, and that no text makes it slow."""

from __future__ import annotations

import base64
import functools
import html
import json
import re
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import markupsafe
import pytest

from deemster import redaction
from deemster.errors import InputError
from deemster.redaction import environment_secrets, note_secret, redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("http://x/?key=abc&b=1", "http://x/?key=***&b=1", id="first"),
        pytest.param(
            "http://x/v1?a=1&api_token=z#f", "http://x/v1?a=1&api_token=***#f", id="later"
        ),
        pytest.param("see http://u:p@h/?SIG=1 ok", "see http://***@h/?SIG=*** ok", id="login"),
        pytest.param("http://u:p@w@h:1/a@b", "http://***@h:1/a@b", id="at in a password"),
        pytest.param("http://u:p/w@h/x", "http://***@h/x", id="slash in a password"),
        pytest.param("http://u:p?w#x@h/x", "http://***@h/x", id="more in a password"),
        pytest.param("http://h:80/@name", "http://h:80/@name", id="port"),
        pytest.param("http://h/x a@b", "http://h/x a@b", id="address beside"),
        pytest.param("http://x/?key?x=v", "http://x/?key?x=***", id="mark-in-the-name"),
        pytest.param("http://x/?a=1&b=key", "http://x/?a=1&b=key", id="not-a-name"),
        pytest.param("http://x/?key= and 'key=1'", "http://x/?key= and 'key=1'", id="no-value"),
    ],
)
def test_logins_and_keys_of_urls(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "unit", ["?key", "key", "&", "?", "&key=", "://", "://a:", "?key=a?", "=", "@"]
)
def test_no_text_makes_it_slow(unit: str) -> None:
    # What a server says and what stands in a file is redacted: 4 KiB once took seconds.
    text = "http://x?" + unit * (2**18 // len(unit))
    start = time.process_time()
    InputError(text)
    assert time.process_time() - start < 2


def coded(text: str, code: Callable[[bytes], bytes] = base64.b64encode) -> str:
    return code(text.encode(errors="surrogatepass")).decode()


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param('plain"quoted', id="quote"),
        pytest.param("back\\slash'd", id="backslash"),
        pytest.param("passwört-für", id="not-ascii"),
        pytest.param("two words/%41", id="blank"),
        pytest.param("not quite\udcffutf-8!", id="bytes"),
    ],
)
@pytest.mark.parametrize(
    "written",
    [str, json.dumps, functools.partial(json.dumps, ensure_ascii=False), repr,
     functools.partial(quote, safe="", errors="surrogatepass"),
     functools.partial(quote, errors="surrogatepass"),
     functools.partial(quote_plus, errors="surrogatepass"),
     lambda text: re.sub("%..", lambda code: code[0].lower(), quote(text, errors="surrogatepass")),
     lambda text: json.dumps(text).replace("/", "\\/"),
     html.escape, functools.partial(html.escape, quote=False), markupsafe.escape,
     coded, lambda text: coded(f":{text}"), lambda text: coded(text, base64.urlsafe_b64encode)],
    ids=["plain", "json", "json-in-unicode", "python", "url", "path", "form", "url-in-small",
         "json-with-slashes", "html", "html-text", "jinja", "base64", "basic", "base64-of-urls"],
)  # fmt: skip
def test_forms_of_a_secret(
    monkeypatch: pytest.MonkeyPatch, secret: str, written: Callable[[str], str]
) -> None:
    monkeypatch.setattr(redaction, "_hidden", {})
    monkeypatch.setenv("MY_SERVICE_KEY", secret)
    assert redact(f"was {written(secret)} so").strip("was o'\"") == "${MY_SERVICE_KEY}"
    monkeypatch.delenv("MY_SERVICE_KEY")
    note_secret(secret)
    assert redact(f"was {written(secret)} so").strip("was o'\"") == "***"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY"])
def test_logins_of_proxies(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(redaction, "_hidden", {})
    monkeypatch.setenv(name, "http://me:not%2Fknown@proxy.example:8080")
    header = base64.b64encode(b"me:not/known").decode()
    said = redact(f"refused not/known, not%2Fknown and Basic {header}")
    assert said == f"refused ${{{name}}}, ${{{name}}} and Basic ${{{name}}}"
    assert not {"not/known", header} & environment_secrets().keys()  # no server is shown them
    for address in ("http://proxy.example:8080", "http://me@proxy.example", "http://[me:x@y"):
        monkeypatch.setenv(name, address)
        assert redact("me, x, y and proxy.example") == "me, x, y and proxy.example"
