"""A small mutator: every place of a module where a change of its meaning can be made."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A module with one change."""

    module: str
    line: int
    change: str
    code: str
    """The line as it was."""
    original: str = field(repr=False)
    place: tuple[int, int] = (0, 0)
    """Of the change: number of the node, and of the change at it."""

    @property
    def key(self) -> str:
        """What tells it from the others, and does not move when lines are added above it."""
        return f"{self.module}: {self.code}: {self.change}"

    @property
    def source(self) -> str:
        """The changed module."""
        tree = ast.parse(self.original)
        number, which = self.place
        list(_changes(_places(tree)[number]))[which][1]()
        return ast.unparse(ast.fix_missing_locations(tree))


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """All of them.

    Not changed: docstrings, annotations, decorators, imports, texts of errors (what `raise` says),
    and what stands under `TYPE_CHECKING`.
    """
    lines = source.splitlines()
    for number, node in enumerate(_places(ast.parse(source))):
        line = getattr(node, "lineno", 0)
        code = lines[line - 1].strip() if line else ""
        for which, (what, _) in enumerate(_changes(node)):
            yield Mutant(module, line, what, code, source, (number, which))


def _places(tree: ast.AST) -> list[ast.AST]:
    """The nodes at which something can be changed."""
    return [node for node in _walk(tree) if any(True for _ in _changes(node))]


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that may change, always in the same order."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_params"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _left_alone(child):
                continue
            yield from _walk(child)


def _left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.Raise, ast.JoinedStr))


Change = tuple[str, Callable[[], None]]


def _changes(node: ast.AST) -> Iterator[Change]:
    """What can be changed at a node: in words, and how."""
    if isinstance(node, ast.Compare):
        for at, sign in enumerate(node.ops):
            other = _COMPARED[type(sign)]
            words = f"{type(sign).__name__} → {other.__name__}"
            yield words, lambda at=at, other=other: node.ops.__setitem__(at, other())  # type: ignore[misc]
    elif isinstance(node, ast.BinOp) and type(node.op) in _COMPUTED:
        operator = _COMPUTED[type(node.op)]
        words = f"{type(node.op).__name__} → {operator.__name__}"
        yield words, lambda: setattr(node, "op", operator())
    elif isinstance(node, ast.BoolOp):
        flipped = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield f"→ {flipped.__name__}", lambda: setattr(node, "op", flipped())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        gone = ast.UAdd() if isinstance(node.op, ast.USub) else None
        yield f"{type(node.op).__name__} dropped", lambda: _drop(node, gone)
    elif isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, (ast.Break, ast.Continue)):
        pass
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
        yield "condition turned", lambda: setattr(node, "test", _not(node.test))
    elif isinstance(node, ast.Return) and node.value is not None:
        value = node.value
        if not (isinstance(value, ast.Constant) and value.value is None):
            yield "return None", lambda: setattr(node, "value", ast.Constant(None))


def _constants(node: ast.Constant) -> Iterator[Change]:
    if isinstance(node.value, bool):
        yield f"{node.value} → {not node.value}", lambda: setattr(node, "value", not node.value)
    elif isinstance(node.value, (int, float)):
        value = node.value
        yield f"{value} → {value + 1}", lambda: setattr(node, "value", value + 1)


def _not(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(op=ast.Not(), operand=test)


def _drop(node: ast.UnaryOp, sign: ast.UAdd | None) -> None:
    """`-x` becomes `+x`; `not x` becomes `bool(x)`, spelled `not not x`."""
    if sign is not None:
        node.op = sign
    else:
        node.operand = _not(node.operand)
