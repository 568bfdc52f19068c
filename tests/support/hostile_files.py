"""Files that try to hang a reader, to fill its memory, or to make it say something unclear.

Each is a function that makes the file and a regular expression that its error must match.
"""

from __future__ import annotations

import gzip
import json
import os
import pickle
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

MiB = 2**20


class Hostile(NamedTuple):
    """A text, and what must be said about it."""

    text: str | bytes
    said: str

    @property
    def data(self) -> bytes:
        return self.text if isinstance(self.text, bytes) else self.text.encode()


def laughs(leaf: str, join: Callable[[str, int], str], levels: int = 9) -> str:
    """Aliases of aliases: each line multiplies the one before it."""
    lines = [f"a0: &a0 {leaf}"]
    lines += [f"a{i}: &a{i} {join(f'*a{i - 1}', i)}" for i in range(1, levels + 1)]
    return "\n".join(lines)


def block_depth(levels: int) -> str:
    return "".join(f"{' ' * i}k:\n" for i in range(levels))


def _sizes() -> Iterator[tuple[str, str | bytes, str]]:
    deep, many = "nested more than 100 deep", r"more than [\d,]+ values|larger than 256 KiB"
    for levels in (150, 5_000, 100_000):
        yield f"flow-lists-{levels}", "x: " + "[" * levels + "]" * levels, deep
    yield "flow-lists-open", "[" * 100_000, deep
    yield "flow-mappings", "x: " + "{a: " * 5_000 + "}" * 5_000, deep
    yield "flow-mixed", "x: " + "[{a: " * 5_000 + "}]" * 5_000, deep
    yield "flow-mappings-without-keys", "{" * 100_000, deep
    yield "block-lists", "x:\n" + "- " * 5_000 + "x", deep
    yield "block-mappings", block_depth(500), deep
    yield "explicit-keys", "? " * 5_000 + "x", deep
    yield "anchors-on-every-level", "x: " + "".join(f"&a{i} [" for i in range(5_000)), deep
    yield "40000-keys", "".join(f"k{i}: 0\n" for i in range(40_000)), many
    yield "400000-keys", "".join(f"k{i}:\n" for i in range(400_000)), many
    yield "40000-keys-flow", "{" + ",".join(f"k{i}: 0" for i in range(40_000)) + "}", many
    yield "100000-values", "x: [" + "0," * 100_000 + "]", many
    yield "100000-lists", "x: [" + "[]," * 100_000 + "]", many
    yield "100000-nulls", "x:\n" + "-\n" * 100_000, many
    yield "100000-anchors", "x: [" + "&a 0," * 100_000 + "]", many
    yield "60000-empty-documents", "---\n" * 60_000, "another document|" + many
    ten = ", ".join
    yield "laughs-lists", laughs("[x, x]", lambda a, _: f"[{ten([a] * 10)}]"), many
    yield (
        "laughs-mappings",
        laughs("{x: 1}", lambda a, _: "{" + ten(f"k{i}: {a}" for i in range(10)) + "}"),
        many,
    )
    yield (
        "laughs-merged",
        laughs("{x: 1}", lambda a, i: f"{{<<: [{ten([a] * 10)}], k{i}: 0}}"),
        many,
    )
    yield "laughs-doubling", laughs("[x]", lambda a, _: f"[{a}, {a}]", 60), many
    wide = "a: &a [" + "x," * 3_000 + "]\nb: [" + "*a," * 3_000 + "]"
    yield "quadratic-aliases", wide, many
    long = "a: &a '" + "x" * 10_000 + "'\nb: [" + "*a," * 100_000 + "]"
    yield "aliases-of-a-long-text", long, many
    yield "contains-itself-list", "x: &a [*a]", deep
    yield "contains-itself-mapping", "x: &a {k: *a}", deep
    yield "contains-itself-twice", "x: &a [*a, *a]", deep + "|" + many
    yield "contains-itself-merged", "x: &a {<<: *a}", deep
    large = "larger than (4 MiB|256 KiB)"
    yield "large-comment", "# " + "x" * 5 * MiB, large
    yield "large-scalar", "x: " + "x" * 5 * MiB, large
    yield "large-blank", "\n" * 5 * MiB, large
    yield "large-flow", "[" + "[]," * 2 * MiB, large


def _tags() -> Iterator[tuple[str, str | bytes, str]]:
    no = "the tag .* is not read"
    for name, text in {
        "apply": "!!python/object/apply:os.system ['touch /tmp/owned']",
        "new": "!!python/object/new:os.system [x]",
        "object": "!!python/object:os.x {}",
        "name": "!!python/name:os.system ''",
        "module": "!!python/module:os ''",
        "tuple": "!!python/tuple [1, 2]",
        "bytes": "!!python/bytes aGk=",
        "local": "!secret x",
        "verbatim": "!<tag:example.org,2026:x> x",
        "binary": "!!binary aGk=",
        "set": "!!set {a, b}",
        "omap": "!!omap [a: 1]",
        "pairs": "!!pairs [a: 1]",
        "long": "!<" + "x" * 10_000 + "> x",
    }.items():
        yield f"tag-{name}", f"x: {text}\n", no
    remap = "%TAG ! tag:yaml.org,2002:python/\n---\nx: !object/apply:os.system [x]\n"
    yield "tag-renamed", remap, no
    yield "tag-on-a-key", "? !!python/name:os.system x\n: y\n", no
    yield "tag-on-the-root", "!!python/object:os.x\nx: y\n", no
    yield "tag-unknown-handle", "x: !h!x y\n", "undefined tag handle"
    yield "tag-equals-sign", "x: =\n", no
    for kind, text in {
        "int": "!!int x", "int-empty": "!!int ''", "float": "!!float x", "bool": "!!bool x",
        "timestamp": "!!timestamp x", "int-list": "!!int [1]", "map-text": "!!map x",
    }.items():  # fmt: skip
        yield f"not-its-tag-{kind}", f"x: {text}\n", r"is no |expected a "


def _numbers() -> Iterator[tuple[str, str | bytes, str]]:
    long = r"a number of [\d,]+ characters"
    for name, text in {
        "decimal": "9" * 100_000, "hex": "0x" + "f" * 100_000, "octal": "0" + "7" * 100_000,
        "binary": "0b" + "1" * 100_000, "signed": "-" + "9" * 100_000,
        "underscores": "1" + "_0" * 50_000, "base-60": "1" + ":59" * 50_000,
        "float": "9" * 100_000 + ".0", "fraction": "0." + "9" * 100_000,
        "base-60-float": "1" + ":59" * 50_000 + ".5",
    }.items():  # fmt: skip
        yield f"digits-{name}", f"x: {text}\n", long
        if name == "decimal":
            yield "digits-in-a-key", f"? {text}\n: x\n", long
    for name, text in {
        "month": "2026-99-99", "day": "2026-02-30", "year": "0000-01-01",
        "hour": "2026-01-01T99:00:00Z", "zone": "2026-01-01T00:00:00+99:00",
    }.items():  # fmt: skip
        yield f"no-such-{name}", f"x: {text}\n", "is no timestamp"


def _keys() -> Iterator[tuple[str, str | bytes, str]]:
    twice = "occurs twice"
    clash = "\n".join(f"{i * (2**61 - 1)}: 1" for i in range(1, 9_000))
    yield "keys of one hash", clash, "the key '2305843009213693951' is a number of more than 15"
    yield "fractions of one hash", "1.000000000000000: 1", "is a number of more than 15 characters"
    yield "key-twice", "x: 1\nx: 2\n", twice
    yield "key-twice-inside", "x:\n  - {a: 1, b: 2, a: 3}\n", twice
    yield "key-twice-as-text", "x: {1: a, '1': b}\n", twice
    yield "key-twice-merge", "x: &a {k: 1}\ny: {<<: *a, <<: *a}\n", twice
    yield "key-twice-long", f"? {'k' * 100_000}\n: 1\n? {'k' * 100_000}\n: 2\n", twice
    yield "key-list", "? [a]\n: b\n", "a key must be"
    yield "key-mapping", "? {a: b}\n: c\n", "a key must be"
    yield "key-alias-of-list", "x: &a [1]\n*a : b\n", "a key must be"
    yield "key-too-long", "k" * 5_000 + ": x\n", "not YAML"
    yield "merge-of-a-text", "x: {<<: text}\n", "not YAML.*expected a mapping"


def _encodings() -> Iterator[tuple[str, str | bytes, str]]:
    utf8, character = "not UTF-8", "character .* is not allowed"
    for name in ("utf-16", "utf-16-be", "utf-32", "latin-1"):
        text = "name: Größe\n".encode(name)
        yield name, text, utf8
    yield "cut-in-a-character", "name: ø".encode()[:-1], utf8
    yield "overlong", b"name: \xc0\x80\n", utf8
    yield "surrogate-bytes", b"name: \xed\xa0\x80\n", utf8
    for name, sign in {
        "nul": "\0", "bell": "\a", "escape": "\x1b[31m", "delete": "\x7f", "c1": "\x9b",
        "not-a-character": "\ufffe",
    }.items():  # fmt: skip
        yield f"character-{name}", f"name: a\nx: b{sign}c\n", f":2: .*{character}"
    yield "all-nul", b"\0" * 10_000, character
    yield "escaped-surrogate", 'name: "\\ud800"\n', "not YAML"
    yield "escaped-beyond", 'name: "\\U00110000"\n', "not YAML"
    yield "escape-unknown", 'name: "\\q"\n', "not YAML"
    yield "gzip", gzip.compress(b"name: x\n"), utf8
    yield "pickle", pickle.dumps({"name": "x"}), utf8
    yield "png", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, utf8


def _syntax() -> Iterator[tuple[str, str | bytes, str]]:
    for name, text in {
        "open-list": "x: [a, b", "open-mapping": "x: {a: b", "open-quote": 'x: "a',
        "open-single-quote": "x: 'a", "tab": "x:\n\t- a\n", "indentation": "x:\n   a: 1\n  b: 2\n",
        "two-colons": "a: b: c\n", "at-sign": "x: @y\n", "back-tick": "x: `y\n",
        "version-9": "%YAML 9.9\n---\nx: y\n", "directive-twice": "%YAML 1.1\n%YAML 1.1\n---\na\n",
        "no-anchor": "x: *nobody\n", "anchor-empty": "x: & y\n", "anchor-alone": "x: *\n",
        "block-indent": "x: |99\n  y\n", "bang-flood": "x: " + "!" * 10_000,
        "open-quote-large": 'x: "' + "\\n" * 100_000, "bracket": "]", "commas": "x: [,,]",
        "two-documents": "name: x\n---\nname: y\n",
        "alias-with-value": "x: &a [1]\ny: *a b\n",
    }.items():  # fmt: skip
        yield f"syntax-{name}", text, "not YAML"


def hostile_yaml() -> dict[str, Hostile]:
    """YAML that no reader of plain, moderate files may take, whatever the file is about."""
    parts = (_sizes, _tags, _numbers, _keys, _encodings, _syntax)
    return {name: Hostile(text, said) for part in parts for name, text, said in part()}


_SUITE = """\
name: {name}
data: {data}
judges: {judges}
"""
_DATA = "{samples: [{query: q, responses: [x, y]}]}"
_JUDGE = "[{model: 'fake:x', name: a}]"


def suite(name: str = "mine", data: str = _DATA, judges: str = _JUDGE, more: str = "") -> str:
    return _SUITE.format(name=name, data=data, judges=judges) + more


def panels(levels: int) -> str:
    """Each panel names both panels of the level below: 2 ** levels judges are asked."""
    lines = ["", "  - {model: 'fake:x', name: a0}", "  - {model: 'fake:y', name: b0}"]
    for i in range(1, levels + 1):
        members = f"[a{i - 1}, b{i - 1}]"
        lines += [f"  - {{name: {side}{i}, members: {members}}}" for side in "ab"]
    return "\n".join(lines)


def chain(levels: int) -> str:
    lines = ["", "  - {model: 'fake:x', name: p0}", "  - {model: 'fake:y', name: q}"]
    lines += [f"  - {{name: p{i}, members: [p{i - 1}, q]}}" for i in range(1, levels + 1)]
    return "\n".join(lines)


def inside(levels: int) -> str:
    """Panels described in place, one in another."""
    judge = "{model: 'fake:x', name: a}"
    for i in range(levels):
        judge = f"{{name: p{i}, members: [{judge}, {{model: 'fake:y', name: q}}]}}"
    return f"[{judge}]"


def panels_by_alias(levels: int) -> str:
    """The panel below stands twice in each, as an alias."""
    lines = ["", "  - &p0 {name: p0, members: [{model: 'fake:x'}, {model: 'fake:y'}]}"]
    lines += [f"  - &p{i} {{name: p{i}, members: [*p{i - 1}, *p{i - 1}]}}"
              for i in range(1, levels + 1)]  # fmt: skip
    return "\n".join(lines)


def matrix(**values: int) -> str:
    cells = (f"{key}: [{', '.join(map(str, range(1, n + 1)))}]" for key, n in values.items())
    return f"matrix: {{{', '.join(cells)}}}\n"


def hostile_suites() -> dict[str, Hostile]:
    """Suites that are plain YAML and ask for too much, or for what cannot be."""
    judges = r"[\d,]+ judges, .*at most 1,000"
    huge = matrix(k=100, max_tokens=100, k_meta=100, min_valid=100)
    options = ", ".join(f"o{i}: 0" for i in range(10_000))
    made = {
        "matrix-1e8": Hostile(suite(more=huge), "100,000,000 " + judges.removeprefix(r"[\d,]+ ")),
        "matrix-1e4": Hostile(suite(more=matrix(k=100, max_tokens=100)), judges),
        "matrix-of-many-settings": Hostile(
            suite(judges=f"[{{model: 'fake:x', options: {{{options}}}}}]", more=matrix(k=900)),
            "settings in all combinations of the matrix",
        ),
        "panels-31": Hostile(suite(judges=panels(31)), judges + "|nested more than 20"),
        "panels-15": Hostile(suite(judges=panels(15)), judges),
        "panels-31-by-alias": Hostile(suite(judges=panels_by_alias(31)), "more than 50,000 values"),
        "panels-31-in-place": Hostile(suite(judges=inside(31)), "nested more than 20 deep"),
        "panels-40-in-place": Hostile(suite(judges=inside(40)), "nested more than 20 deep"),
        "panels-60-in-place": Hostile(suite(judges=inside(60)), "nested more than 100 deep"),
        "chain-1000": Hostile(suite(judges=chain(1_000)), judges + "|nested more than 20"),
        "own-member": Hostile(suite(judges="[{name: a, members: [a, a]}]"), "in a circle"),
        "judges-2000": Hostile(
            suite(judges="\n" + "\n".join(f"  - {{model: 'fake:{i}'}}" for i in range(2_000))),
            judges,
        ),
        "votes-1e9": Hostile(suite(judges="[{model: 'fake:x', k: 1000000000}]"), "k: "),
        "votes-nan": Hostile(suite(judges="[{model: 'fake:x', k: .nan}]"), ":3: .*k: "),
        "heat-inf": Hostile(suite(judges="[{model: 'fake:x', temperature: .inf}]"), "temperature"),
        "seed-float": Hostile(suite(more="seed: 1.5\n"), ":4: seed: "),
        "seed-inf": Hostile(suite(more="seed: .inf\n"), ":4: seed: "),
        "budget-nan": Hostile(suite(more="budget: {usd: .nan}\n"), ":4: budget.usd: "),
        "budget-inf": Hostile(suite(more="budget: {usd: .inf}\n"), ":4: budget.usd: "),
        "threshold-nan": Hostile(suite(more="thresholds: {accuracy: .nan}\n"), ":4: thresholds"),
        "truth-nan": Hostile(
            suite(data="{samples: [{query: q, responses: [x, y], ground_truth: [.nan, 1]}]}"),
            ":2: .*ground_truth",
        ),
        "name-date": Hostile(suite(name="2026-01-01"), ":1: name: .*quotes"),
        "name-long": Hostile(suite(name="x" * 100_000), ":1: name: .*at most 100 characters"),
        "key-true": Hostile(suite(more="true: x\n"), "key|string"),
        "key-null": Hostile(suite(more="? \n: x\n"), "key|string"),
        "key-number": Hostile(suite(more="1: x\n"), "key|string"),
        "key-long": Hostile(suite(more=f"? {'k' * 100_000}\n: x\n"), ":4: unknown key"),
        "variable-unset": Hostile(suite(more="seed: ${NO_SUCH_NAME}\n"), ":4: .*not set"),
        "aggregator-deep": Hostile(
            suite(judges=f"[{{model: 'fake:x', aggregator: 'softmax(t={'[' * 5_000})'}}]"),
            "aggregator",
        ),
        "stop-deep": Hostile(
            suite(judges=f"[{{model: 'fake:x', k: 4, stop: 'decided:0.9,spread={'{' * 5_000}'}}]"),
            "stopping rule",
        ),
        "a-list": Hostile("- x\n", "expected a mapping"),
        "a-text": Hostile("x\n", "expected a mapping"),
        "empty": Hostile("", "expected a mapping"),
        "comments-only": Hostile("# x\n" * 1_000, "expected a mapping"),
        "null": Hostile("~\n", "expected a mapping"),
    }
    return {f"suite-{name}": one for name, one in made.items()}


def hostile_suite_paths(folder: Path) -> dict[str, Hostile]:
    """Suites whose paths lead to devices, pipes, circles and names that no file has."""
    pipe = folder / "pipe"
    if not pipe.exists():
        os.mkfifo(pipe)
        (folder / "circle").symlink_to(folder / "circle")
        (folder / "to-zero").symlink_to("/dev/zero")
        (folder / "no-data").mkdir()
    made = {}
    for name, path, said in (
        ("zero", "/dev/zero", "is a device"),
        ("random", "/dev/urandom", "is a device"),
        ("null", "/dev/null", "is a device"),
        ("zero-linked", "to-zero", "is a device"),
        ("pipe", "pipe", "is a named pipe"),
        ("circle", "circle", "symbolic links|no such file"),
        ("nowhere", "nowhere", "no such file"),
        ("long", "x" * 5_000, "no such file|too long|cannot read"),
        ("nul", '"a\\0b"', "no such file|null byte"),
        ("no-data", "no-data", "no data file"),
    ):
        made[f"data-{name}"] = Hostile(suite(data=f"{{path: {path}}}"), said)
        made[f"rubric-{name}"] = Hostile(
            suite(judges=f"[{{model: 'fake:x', principles: {path}}}]"),
            re.sub("no such file|no data file", "neither a rubric nor a file", said),
        )
    pair = "{model: 'fake:x', name: a}, {model: 'fake:y', name: b}"
    for name, path in (("zero", "/dev/zero"), ("pipe", "pipe"), ("no-data", "no-data")):
        said = "is a device|is a named pipe|Is a directory"
        made[f"weights-{name}"] = Hostile(
            suite(judges=f"[{{members: [{pair}], weights: {path}}}]"), said
        )
        made[f"cascade-{name}"] = Hostile(
            suite(judges=f"[{{type: cascade, members: [{pair}], rule: {path}}}]"), said
        )
        made[f"cassette-{name}"] = Hostile(
            suite(judges=f"[{{model: 'replay:{path}'}}]"), "no cassette|no regular file"
        )
    return {f"suite-{name}": one for name, one in made.items()}


class HostileData(NamedTuple):
    """A function that writes a data file into a folder, and what must be said about it."""

    write: Callable[[Path], Path]
    said: str


def _bytes(name: str, data: Callable[[], bytes]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data())
        return path

    return write


def _sparse(name: str, size: int) -> Callable[[Path], Path]:
    """A large file that takes no room: NULs."""

    def write(folder: Path) -> Path:
        path = folder / name
        with path.open("wb") as file:
            file.truncate(size)
        return path

    return write


def bomb(size: int, unit: bytes = b"\0") -> bytes:
    """A gzipped file that unpacks to `size` bytes of a repeated text."""
    block = unit * (MiB // len(unit))
    return gzip.compress(block) * (size // len(block))


def _special(name: str, kind: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "circle":
            path.symlink_to(path)
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to(kind)
        return path

    return write


def parquet_of(text: str, rows: int) -> bytes:
    """A table whose rows all hold one text, which is written once."""
    import io

    import pyarrow as pa
    from pyarrow import parquet

    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows), [text])
    out = io.BytesIO()
    parquet.write_table(pa.table({"query": column}), out, compression="zstd")
    return out.getvalue()


def parquet_lying(change: Callable[[bytes], bytes]) -> bytes:
    return change(parquet_of("q", 4))


def hostile_data() -> dict[str, HostileData]:
    """Data files that are endless, huge, deep, damaged or lie about their size."""
    long, deep = "longer than 16 MiB", "nested more than 100 deep"
    bombed = "unpacks to more than 200 times its size"
    row = json.dumps({"query": "q", "response": "x"}).encode() + b"\n"
    long_row = json.dumps({"query": "q", "response": "x" * 1_000}).encode() + b"\n"
    texts: dict[str, tuple[str, Callable[[], bytes], str]] = {
        "bomb-one-line": ("a.jsonl.gz", lambda: bomb(100 * MiB), bombed),
        "bomb-text-line": ("b.jsonl.gz", lambda: bomb(100 * MiB, b"x"), bombed),
        "bomb-blank-lines": ("c.jsonl.gz", lambda: bomb(100 * MiB, b"\n"), bombed),
        "bomb-rows": ("d.jsonl.gz", lambda: bomb(40 * MiB, long_row), bombed),
        "bomb-json": ("e.json.gz", lambda: bomb(100 * MiB, b" "), bombed),
        "bomb-json-list": ("e2.json.gz", lambda: gzip.compress(b"[") + bomb(100 * MiB, b"[1],"),
                           "record 1: expected an object"),
        "bomb-csv": ("f.csv.gz", lambda: bomb(100 * MiB, b","), bombed),
        "bomb-csv-blank": ("f2.csv.gz", lambda: gzip.compress(b"a,b\n") + bomb(100 * MiB, b"\n"),
                           bombed),
        "bomb-unnamed": ("g.data", lambda: bomb(100 * MiB), bombed),
        "json-object": ("h.json", lambda: b'{"a": "' + b"x" * 33 * MiB + b'"}',
                        "more than 32 MiB.*JSON Lines"),
        "json-object-of-rows": (
            "i.json", lambda: b'{"data": [' + b'{"query": "q"},' * 3 * MiB + b"{}]}",
            "more than (32 MiB|500,000 values)"),
        "json-list-item": ("j.json", lambda: b'[{"a": "' + b"x" * 33 * MiB + b'"}]', long),
        "json-list-of-lists": ("k.json", lambda: b"[[" + b"[]," * 8 * MiB + b"[]]]",
                               "more than 500,000 values"),
        "json-list-open": ("l.json", lambda: b"[" * MiB, deep + "|not JSON"),
        "json-list-endless": ("m.json", lambda: b"[" + row, r"not JSON: expected ',', got"),
        "json-list-then-more": ("n.json", lambda: b"[" + row + b"] x", "expected the end"),
        "json-deep-object": ("o.json", lambda: b'{"a":' * 5_000 + b"1" + b"}" * 5_000, deep),
        "json-numbers": ("p.json", lambda: b'[{"query": ' + b"9" * 100_000 + b"}]", "digits"),
        "line-long": ("q.jsonl", lambda: b'{"a": "' + b"x" * 20 * MiB + b'"}', long),
        "line-many-values": ("r.jsonl", lambda: b'{"a": [' + b"[]," * 4 * MiB + b"1]}",
                             "more than 500,000 values"),
        "line-many-objects": ("s.jsonl", lambda: b'{"a": [' + b'{"b":1},' * MiB + b"1]}",
                              "more than 500,000 values"),
        "line-deep": ("t.jsonl", lambda: b'{"a":' + b"[" * 500 + b"]" * 500 + b"}", deep),
        "line-very-deep": ("u.jsonl", lambda: b'{"a":' + b"[" * 10**6 + b"]" * 10**6 + b"}",
                           deep + "|values"),
        "line-digits": ("v.jsonl", lambda: b'{"a": ' + b"9" * 10**6 + b"}", "digits"),
        "line-escapes": ("w.jsonl", lambda: b'{"a": "' + b'\\"' * 5 * MiB, "not JSON"),
        "line-nan": ("x.jsonl", lambda: b'{"query": "q", "responses": ["x", "y"], '
                     b'"ground_truth": [NaN, 1]}', "line 1: .*ground_truth|finite|number"),
        "line-infinite": ("y.jsonl", lambda: b'{"query": "q", "responses": ["x", "y"], '
                          b'"ground_truth": [1e999, 1]}', "line 1: .*ground_truth|finite|number"),
        "nul": ("z.jsonl", lambda: b"\0" * 1_000, "line 1: not JSON"),
        "utf-16": ("aa.jsonl", lambda: row.decode().encode("utf-16"), "not UTF-8"),
        "latin-1": ("ab.csv", lambda: "query,response\nGröße,x\n".encode("latin-1"), "not UTF-8"),
        "csv-field": ("ac.csv", lambda: b'a,b\nq,"' + (b"x" * 99 + b"\n") * 200_000, "larger"),
        "csv-line": ("ad.csv", lambda: b"query,response\nq," + b"x" * 20 * MiB, long),
        "csv-columns": ("ae.csv", lambda: b"," * 8 * MiB + b"\n", "more fields than 500,000"),
        "csv-20000-columns": ("ae2.csv", lambda: b"," * 20_000 + b"\n", "more than 10,000 columns"),
        "csv-many-fields": ("af.csv", lambda: b"query,response\n" + b"," * 8 * MiB, "more fields"),
        "csv-number": ("ag.csv", lambda: b"query,ground_truth\nq," + b"9" * 5_000, "line 2: "),
        "csv-quote": ("ah.csv", lambda: b'query,response\n"q,x\n' * 1_000, "line [0-9]+: "),
        "csv-column-twice": ("aj.csv", lambda: b"a,a\n1,2\n", "two columns"),
        "gzip-cut": ("ak.jsonl.gz", lambda: gzip.compress(row * 100)[:-20], "cannot read"),
        "gzip-not": ("al.jsonl.gz", lambda: row, "cannot read"),
        "gzip-twice": ("am.jsonl.gz", lambda: gzip.compress(gzip.compress(row)), "UTF-8|not JSON"),
        "binary": ("an.data", lambda: bytes(range(256)) * 100, "UTF-8|format"),
        "parquet-cut": ("ao.parquet", lambda: parquet_lying(lambda b: b[:-20]), "cannot read"),
        "parquet-footer": (
            "ap.parquet",
            lambda: parquet_lying(lambda b: b[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1"),
            "cannot read",
        ),
        "parquet-metadata": (
            "aq.parquet", lambda: parquet_lying(lambda b: b[:-40] + b"\xff" * 32 + b[-8:]),
            "cannot read"),
        "parquet-text": ("ar.parquet", lambda: b"PAR1 is not enough PAR1", "cannot read"),
        "parquet-one-value": (
            "as.parquet", lambda: parquet_of("x" * 100 * MiB, 1), bombed),
        "parquet-one-long-text": (
            "at.parquet", lambda: parquet_of("".join(map(str, range(2 * MiB))), 1_000),
            "no responses"),
        "parquet-one-row": (
            "au.parquet", lambda: parquet_of("".join(map(str, range(8 * MiB))), 1),
            "longer than 16 MiB"),
    }  # fmt: skip
    made = {name: HostileData(_bytes(f, d), said) for name, (f, d, said) in texts.items()}
    for name, kind, said in (
        ("pipe", "pipe", "is a named pipe"),
        ("circle", "circle", "symbolic links|no such file"),
        ("zero", "/dev/zero", "is a device"),
        ("random", "/dev/urandom", "is a device"),
        ("folder", "folder", "no data file"),
    ):
        for suffix in (".jsonl", ".json", ".csv", ".parquet", ""):
            if suffix in (".jsonl", "") or name in ("pipe", "zero"):
                file = f"{name}{suffix}"
                made[f"{name}{suffix.replace('.', '-')}"] = HostileData(_special(file, kind), said)
    for suffix, said in ((".jsonl", long), (".csv", long), (".json", "32 MiB|not JSON"), ("", "")):
        file = f"sparse{suffix}"
        made[f"sparse{suffix.replace('.', '-')}"] = HostileData(_sparse(file, 2**36), said)
    return made
