"""The Jinja environment for prompt templates: no way out of it, and no way to run without end.

Jinja's sandbox keeps templates away from Python's internals, but lets them loop and multiply as
they like. Here all loops of one rendering share a budget, texts cannot be blown up, and the output
is bounded. Prompts need far less than the bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, TypeVar

from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError, TemplateAssertionError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

T = TypeVar("T")

_MOST_TURNS = 100_000
_MOST_CHARACTERS = 256 * 1024 * 1024
_HUGE = 10_000
_TURNS = "deemster.turns"
_FILTERS = (  # noqa: SIM905 - a list would take a line a word
    "abs capitalize count default escape first float int items last length list lower map max min "
    "reject rejectattr reverse round safe select selectattr sort string sum title tojson trim "
    "truncate unique upper wordcount"
).split()
_METHODS = (  # noqa: SIM905
    "capitalize count endswith find isalpha isdigit islower isspace isupper lower lstrip "
    "removeprefix removesuffix rstrip split splitlines startswith strip title upper"
).split()
_FORBIDDEN = {
    "visit_Macro": "macro",
    "visit_CallBlock": "call",
    "visit_AssignBlock": "set … endset",
    "visit_FilterBlock": "filter",
    "visit_Include": "include",
    "visit_Import": "import",
    "visit_FromImport": "import",
    "visit_Extends": "extends",
}


class Sandbox(ImmutableSandboxedEnvironment):
    """Undefined names are errors; what is forbidden raises `SecurityError`.

    What shows without rendering (unknown filters, statements that are not for prompts) raises
    `TemplateSyntaxError` when it is compiled.
    """

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        self.code_generator_class = _Bounded
        self.filters = {name: self.filters[name] for name in _FILTERS}
        self.filters |= {"counted": _counted, "join": _join, "replace": _replace}
        self.globals = {name: self.globals[name] for name in ("range",)}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401 - Jinja's signature
        """Arithmetic on small numbers; `+` joins texts and lists as well."""
        if isinstance(left, int | float) and isinstance(right, int | float):
            if max(abs(left), abs(right)) > _HUGE or (operator == "**" and abs(right) > 16):
                raise SecurityError(f"{left} {operator} {right} is beyond what prompts need")
        elif operator != "+" or len(left) + len(right) > _MOST_CHARACTERS:
            raise SecurityError(f"operator {operator!r} is for numbers")
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: Any) -> None:  # noqa: ANN401, ARG002 - Jinja's signature
        """No `str.format`: a width in it could ask for any length."""
        return

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ANN401 - Jinja's signature
        """As Jinja decides, without the string methods that blow texts up."""
        if isinstance(obj, LoopContext):  # asked about most often: what Jinja would say of it
            return not attr.startswith("_")
        return super().is_safe_attribute(obj, attr, value) and not (
            isinstance(obj, str) and attr not in _METHODS
        )


class _Bounded(CodeGenerator):
    """Compiles templates so that loops are counted and joined texts measured."""

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802 - Jinja's name
        super().visit_Template(_Rewrite(self.name).visit(node), frame)


class _Rewrite(NodeTransformer):
    """Puts the measuring filters in; refuses statements that could grow a text unmeasured."""

    def __init__(self, name: str | None) -> None:
        self._name = name

    def __getattr__(self, visitor: str) -> Callable[[nodes.Node], NoReturn]:
        if visitor not in _FORBIDDEN:
            raise AttributeError(visitor)

        def refuse(node: nodes.Node) -> NoReturn:
            raise TemplateAssertionError(
                f"the statement {_FORBIDDEN[visitor]!r} is not for prompts", node.lineno, self._name
            )

        return refuse

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja's name
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "counted", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - Jinja's name
        self.generic_visit(node)
        pieces = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(pieces, "join", [], [], None, None, lineno=node.lineno)


@pass_context
def _counted(context: Context, values: Iterable[T]) -> Iterator[T]:
    """The values, each counted against the budget of the rendering."""
    turns = context.parent.setdefault(_TURNS, [0])
    for value in values:
        turns[0] += 1
        if turns[0] > _MOST_TURNS:
            raise SecurityError(f"its loops take more than {_MOST_TURNS} turns")
        yield value


def _join(values: Iterable[object], separator: str = "") -> str:
    texts = [str(value) for value in values]
    if sum(map(len, texts)) + len(texts) * len(separator) > _MOST_CHARACTERS:
        raise SecurityError(f"a text is longer than {_MOST_CHARACTERS} characters")
    return separator.join(texts)


def _replace(text: str, old: str, new: str) -> str:
    if (len(text) + 1) * max(len(new), 1) > _MOST_CHARACTERS:
        raise SecurityError(f"a text may become longer than {_MOST_CHARACTERS} characters")
    return text.replace(old, new)


def run_bounded(render: Callable[[Context], Iterable[str]], context: Context) -> str:
    """The text that a compiled template or block gives, without white space around it.

    Raises:
        SecurityError: it is too long, or its loops are.
    """
    pieces: list[str] = []
    length = 0
    for piece in render(context):
        pieces.append(piece)
        length += len(piece)
        if length > _MOST_CHARACTERS:
            raise SecurityError(f"it gives more than {_MOST_CHARACTERS} characters")
    return "".join(pieces).strip()
