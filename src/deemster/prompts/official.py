"""The makers' own prompts, read from the files in which they publish them.

A released judge was trained on one text, which is its makers' and does not ship here. Where it
stands in a file that a program can read (a constant of a Python file, a value of a YAML or JSON
file, a text), an `OfficialPrompt` says where, and what its placeholders stand for. Python files are
parsed and never run.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

from deemster.errors import InputError
from deemster.files import read_text
from deemster.prompts.template import PromptTemplate
from deemster.prompts.view import View
from deemster.schemas import Principle, Scale, as_query, as_responses

_OPENS = re.compile(r"\{(?=[{%#])")
_TEMPLATES = (".j2", ".jinja", ".jinja2")


@dataclass(frozen=True)
class OfficialPrompt:
    """Where the makers of a model publish its prompt.

    Args:
        origin: repository and path of the file, for error texts and tables.
        parts: by block of our template (`system`, `user`, `second`): the name of the text in the
            file, dotted where it is nested (`Class.method.variable`, `mapping.key`).
        slots: what a placeholder of theirs (`question` of `{question}`) is in our slots, as a
            Jinja expression, or as Jinja source where it has braces.
        literal: by block: Jinja source of ours, for messages that the makers' code puts together
            without a text of its own.
        digest: of the known text, as `digest_of` gives it for each number of responses shown;
            None where nobody has checked.
    """

    origin: str
    parts: Mapping[str, str]
    slots: Mapping[str, str]
    literal: Mapping[str, str] = field(default_factory=dict)
    digest: str | None = None

    @property
    def file(self) -> str:
        """Name of the file, without its folder."""
        return self.origin.rpartition("/")[2]

    def read(self, path: str | Path, *, n: int = 2) -> PromptTemplate:
        """The template that the makers' file holds.

        A file with the suffix `.j2` or `.jinja` is a template with our slots already; a text
        file (`.txt`, `.md`) is the user turn, with the makers' placeholders.

        Args:
            path: the file, as the makers publish it.
            n: responses of the fixed sample that is compared with the known text.

        Raises:
            InputError: it cannot be read, or does not hold the texts it should.
        """
        path = Path(path)
        if path.suffix in _TEMPLATES:
            return PromptTemplate.load(path)
        text = read_text(path, what="official prompt")
        find = _finder(path, text)
        blocks = dict(self.literal)
        for block, name in self.parts.items():
            blocks[block] = self._converted(find(name), f"{name} in {str(path)!r}")
        if path.suffix in (".txt", ".md"):
            blocks = {"user": self._converted(text, repr(str(path)))}
        source = "\n".join(
            f"{{% block {name} %}}{body}{{% endblock %}}" for name, body in blocks.items()
        )
        template = PromptTemplate(source, str(path))
        return PromptTemplate(source, str(path), provenance=self._provenance(template, n))

    def _converted(self, text: str, where: str) -> str:
        """Jinja source of a text with placeholders of `str.format`."""
        if not any(f"{{{name}}}" in text for name in self.slots):
            return _escaped(text)  # not a format string: its braces are text
        try:
            pieces = [(literal, name) for literal, name, _, _ in Formatter().parse(text)]
        except ValueError as error:
            raise InputError(f"official prompt {where} is not a format string: {error}") from error
        unknown = [name for _, name in pieces if name is not None and name not in self.slots]
        if unknown:
            raise InputError(
                f"official prompt {where} has a placeholder {{{unknown[0]}}}; known: "
                f"{', '.join(self.slots)}"
            )
        return "".join(
            _escaped(literal) + ("" if name is None else _source(self.slots[name]))
            for literal, name in pieces
        )

    def _provenance(self, template: PromptTemplate, n: int) -> str:
        if self.digest is None:
            return f"official prompt of {self.origin}, not checked: its known text is not on record"
        if digest_of(template, n) == self.digest:
            return f"official prompt of {self.origin}, as known"
        return f"official prompt of {self.origin}, but not the text known when this was released"


def digest_of(template: PromptTemplate, n: int = 2) -> str:
    """12 hex digits of the SHA-256 of the messages for a fixed sample with `n` responses."""
    view = View(
        query=as_query("What is 2 + 2?"),
        responses=as_responses(["It is 4.", "It is 5.", "It is 22."][:n]),
        scale=Scale(low=1, high=10),
        principles=(Principle(name="Accuracy", description="The result is right."),)
        if "principles" in template.slots
        else (),
        reference="4" if "reference" in template.slots else None,
    )
    messages = [[message.role, message.text] for message in view.render(template)]
    if template.has_second:
        messages.append(["user", view.second(template).text])
    text = json.dumps(messages, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _source(slot: str) -> str:
    """A slot as Jinja source that leaves the line break behind it alone."""
    return slot + "{{ '' }}" if "{" in slot else f"{{{{ {slot} }}}}"


def _escaped(text: str) -> str:
    """Text as Jinja source that gives it back."""
    return _OPENS.sub("{{ '{' }}", text)


def _finder(path: Path, text: str) -> Callable[[str], str]:
    """What gives the text of a name in a file."""
    try:
        if path.suffix == ".py":
            found: Mapping[str, str] = _python_texts(ast.parse(text))
        elif path.suffix in (".yaml", ".yml", ".json"):
            found = _nested_texts(yaml.safe_load(text))
        else:
            found = {}
    except (SyntaxError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"cannot read official prompt {str(path)!r}: {error}") from error

    def find(name: str) -> str:
        if path.suffix in (".txt", ".md"):
            return ""
        if name not in found:
            some = ", ".join(list(found)[:12]) or "none"
            raise InputError(
                f"official prompt {str(path)!r} has no text {name!r}; it has: {some}. Give the "
                "file as its makers publish it"
            )
        return found[name]

    return find


def _python_texts(tree: ast.AST, prefix: str = "") -> dict[str, str]:
    """The string constants of a Python file by dotted name."""
    found: dict[str, str] = {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found |= _python_texts(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    found |= _constants(node.value, f"{prefix}{target.id}")
    return found


def _constants(value: ast.expr, name: str) -> dict[str, str]:
    text = _constant(value)
    if text is not None:
        return {name: text}
    found: dict[str, str] = {}
    if isinstance(value, ast.Dict):
        for key, item in zip(value.keys, value.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                found |= _constants(item, f"{name}.{key.value}")
    return found


def _constant(value: ast.expr) -> str | None:
    """A string that is written out: in one piece, in several, added up, or stripped."""
    if isinstance(value, ast.Constant):
        return value.value if isinstance(value.value, str) else None
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        left, right = _constant(value.left), _constant(value.right)
        return None if left is None or right is None else left + right
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and not value.args:
        text = _constant(value.func.value)
        strip: dict[str, Callable[[str], str]] = {
            "strip": str.strip, "lstrip": str.lstrip, "rstrip": str.rstrip
        }  # fmt: skip
        change = strip.get(value.func.attr)
        return None if text is None or change is None else change(text)
    return None


def _nested_texts(value: Any, prefix: str = "") -> dict[str, str]:  # noqa: ANN401 - any YAML
    if isinstance(value, str):
        return {prefix.removesuffix("."): value}
    found: dict[str, str] = {}
    items = value.items() if isinstance(value, dict) else ()
    for key, item in items:
        found |= _nested_texts(item, f"{prefix}{key}.")
    return found
