"""Prompt templates: Jinja files with known slots, rendered in a sandbox.

A template is one user message, or has a block for each message, named by its role: `system` and
`user`; `second`, the user turn that follows the judge's first completion; or, for models whose chat
template has roles of its own, `principle`, `response_1`, `response_2` and `assistant`. Before these
last ones the query stands as turns of its own, so that such a template has no `conversation`. A
block without text is no message.

Slots:

- `conversation`: the query as text, turns labelled when there are several
- `responses`: list of texts in the order shown; `fence(text, label)` puts one between markers
- `n`: how many responses there are
- `reference`: gold answer, or None
- `principles`: fixed criteria (name, description, weight, bands), or empty
- `low`, `high`: ends of the score scale
- `nonce`: hex digits that appear in no text from outside

Values are inserted once and never read as template source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateError, TemplateSyntaxError, meta, nodes

from deemster.errors import InputError
from deemster.files import read_text
from deemster.prompts.sandbox import Sandbox, run_bounded
from deemster.schemas import Message, Role

_MAX_BYTES = 2**20
_BLOCKS: tuple[Role, ...] = (
    *("system", "user", "principle", "assistant", "response_1", "response_2"),
)
"""Sent in the order of the template, a system turn first."""
_BY_ROLE = frozenset({"principle", "assistant", "response_1", "response_2"})
_SECOND = "second"
_ALLOWED = (
    frozenset({"user"}),
    frozenset({"system", "user"}),
    frozenset({"user", _SECOND}),
    frozenset({"system", "user", _SECOND}),
)


@cache
def _environment() -> Sandbox:
    return Sandbox()


@dataclass(frozen=True)
class PromptTemplate:
    """A compiled prompt template.

    Args:
        source: Jinja text.
        name: what error texts call it.
        required: slots it must use; a template without one would judge blindly.

    Raises:
        InputError: the syntax is wrong, or a required slot is not used.
    """

    source: str
    name: str
    required: tuple[str, ...] = ("conversation", "responses")
    provenance: str = ""
    """Where a text that did not ship comes from, and whether it is the known one."""

    def __post_init__(self) -> None:
        try:
            tree = _environment().parse(self.source)
            _ = self._compiled  # finds unknown filters and forbidden statements
        except TemplateSyntaxError as error:
            raise InputError(
                f"template {self.name!r} line {error.lineno}: {error.message}"
            ) from error
        used = meta.find_undeclared_variables(tree)
        blocks = {block.name for block in tree.find_all(nodes.Block)}
        by_role = bool(blocks & _BY_ROLE)
        missing = [
            slot
            for slot in self.required
            if slot not in used and not (by_role and slot == "conversation")
        ]
        if missing:
            raise InputError(
                f"template {self.name!r} does not use the slot {missing[0]!r}; "
                f"it needs: {', '.join(self.required)}"
            )
        if blocks and blocks not in _ALLOWED and not (by_role and blocks <= {*_BLOCKS} - {"user"}):
            raise InputError(
                f"template {self.name!r} has blocks {sorted(blocks)}; allowed: none, 'user', "
                "'system' and 'user', each also with 'second', or roles of a model's own: "
                f"{', '.join(sorted(_BY_ROLE))}"
            )

    @classmethod
    def load(cls, path: str | Path, *, required: tuple[str, ...] | None = None) -> PromptTemplate:
        """Read a user's template file.

        Raises:
            InputError: it cannot be read, or is not a usable template.
        """
        path = Path(path)
        source = read_text(path, what="template", limit=_MAX_BYTES)
        return cls(source, str(path)) if required is None else cls(source, str(path), required)

    @cached_property
    def hash(self) -> str:
        """12 hex digits of the source's SHA-256."""
        return hashlib.sha256(self.source.encode()).hexdigest()[:12]

    @cached_property
    def slots(self) -> frozenset[str]:
        """The slots and functions it uses."""
        return frozenset(meta.find_undeclared_variables(_environment().parse(self.source)))

    @cached_property
    def by_role(self) -> bool:
        """Whether responses are messages with roles of their own, after the turns of the query."""
        return bool(self._compiled.blocks.keys() & _BY_ROLE)

    @property
    def has_second(self) -> bool:
        """Whether a second turn follows the judge's first completion."""
        return _SECOND in self._compiled.blocks

    @cached_property
    def _compiled(self) -> Template:
        return _environment().from_string(self.source)

    def render(
        self, slots: Mapping[str, Any], *, second: bool = False, **functions: Callable[..., str]
    ) -> tuple[Message, ...]:
        """Fill the slots.

        Args:
            slots: their values.
            second: give the second turn alone, in place of all before it.
            functions: what the template may call.

        Raises:
            InputError: the template uses a slot that does not exist, or does something forbidden.
        """
        template = self._compiled
        try:
            context = template.new_context({**slots, **functions})
            if second:
                text = run_bounded(template.blocks[_SECOND], context)
                return (Message(role="user", content=text),)
            names = [name for name in template.blocks if name != _SECOND]
            names.sort(key=lambda name: name != "system")
            if not names:
                text = run_bounded(template.root_render_func, context)
                return (Message(role="user", content=text),)
            texts = {name: run_bounded(template.blocks[name], context) for name in names}
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise InputError(f"template {self.name!r} cannot be filled: {error}") from error
        except (MemoryError, RecursionError) as error:
            raise InputError(f"template {self.name!r} grows without end") from error
        roles = {str(role): role for role in _BLOCKS}
        return tuple(
            Message(role=roles[name], content=text) for name, text in texts.items() if text
        )


@cache
def builtin_template(
    name: str, required: tuple[str, ...] = ("conversation", "responses")
) -> PromptTemplate:
    """The template file `name` that ships with the package."""
    source = resources.files("deemster.prompts").joinpath(f"{name}.j2").read_text(encoding="utf-8")
    return PromptTemplate(source, name, required)
