"""An object's class as plain Python source, with learned code and present values in the place of nodes."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from types import ModuleType
from typing import Any

from autoagent.errors import DomainError
from autoagent.trace.containers import nodes_in, plain
from autoagent.trace.learned import Learned
from autoagent.trace.nodes import Node

_NODE_METHODS = {"eq": "==", "neq": "!="}


def source_of_object(owner: object) -> str:
    """Return source that defines the classes of ``owner`` and all that they use of their modules.

    Nodes that are attributes become their present values, ``node(x, ...)`` becomes ``x``, ``x.data`` becomes ``x``
    where ``x`` has no such attribute, and trainable methods become their learned code. The decorators ``bundle`` and
    ``model`` and the base ``Module`` are left out.

    Raises:
        DomainError: there is no source, or a value that is needed cannot be written as source.
    """
    writer = _Writer()
    writer.add_class(type(owner), owner)
    head = (
        f'"""{type(owner).__name__}, exported with its learned parameters."""\n\nfrom __future__ import annotations\n'
    )
    return "\n\n".join([head, *([("\n".join(sorted(writer.imports)))] if writer.imports else []), *writer.parts]) + "\n"


class _Writer:
    def __init__(self) -> None:
        self.imports: set[str] = set()
        self.parts: list[str] = []
        self._done: set[str] = set()

    def add_class(self, cls: type, owner: object | None) -> None:
        cls = getattr(cls, "__wrapped__", cls)
        if cls.__name__ in self._done:
            return
        self._done.add(cls.__name__)
        tree = _tree(cls)
        found = tree.body[0]
        if not isinstance(found, ast.ClassDef):
            raise DomainError(f"{cls.__name__} has no class statement")
        learned = _learned_of(cls, owner)
        imports = _with_learned_methods(found, learned)
        self._finish(_Plain(owner).visit(tree), {**vars(sys.modules[cls.__module__])}, [*imports])

    def add_function(self, value: Any, name: str) -> None:  # noqa: ANN401 - any function
        if name in self._done:
            return
        self._done.add(name)
        function = value.function if isinstance(value, Learned) else inspect.unwrap(value)
        tree = ast.parse(value.parameter._value) if isinstance(value, Learned) else _tree(function)
        self._finish(_Plain(None).visit(tree), function.__globals__, [])

    def _finish(self, tree: ast.Module, known: dict[str, Any], imports: list[ast.stmt]) -> None:
        names = {here.id for here in ast.walk(tree) if isinstance(here, ast.Name) and isinstance(here.ctx, ast.Load)}
        for name in sorted(names):
            if name in known and name not in self._done:
                self._need(name, known[name])
        ast.fix_missing_locations(tree)
        self.parts.append("\n".join(ast.unparse(row) for row in [*imports, tree]))

    def _need(self, name: str, value: Any) -> None:  # noqa: ANN401 - whatever a module holds
        home = getattr(value, "__module__", "") or ""
        if isinstance(value, ModuleType):
            self.imports.add(f"import {value.__name__}" + f" as {name}" * (name != value.__name__))
        elif isinstance(value, Learned) or (inspect.isfunction(value) and _is_users(home)):
            self.add_function(value, name)
        elif inspect.isclass(value) and _is_users(home):
            self.add_class(value, None)
        elif (inspect.isclass(value) or callable(value)) and home and not home.startswith("autoagent."):
            self.imports.add(f"from {home} import {value.__name__}" + f" as {name}" * (name != value.__name__))
        elif not home.startswith("autoagent."):
            self._done.add(name)
            self.parts.append(f"{name} = {ast.unparse(_literal(value, name))}")


class _Plain(ast.NodeTransformer):
    """Takes the tracing out of source; ``owner`` is the instance whose present values are put in."""

    def __init__(self, owner: object | None) -> None:
        self._values = vars(owner) if owner is not None else {}

    def visit_ClassDef(self, here: ast.ClassDef) -> ast.AST:
        here.decorator_list = [d for d in here.decorator_list if not _names(d, {"model"})]
        here.bases = [base for base in here.bases if not _names(base, {"Module"})]
        return self.generic_visit(here)

    def visit_FunctionDef(self, here: ast.FunctionDef) -> ast.AST:
        here.decorator_list = [d for d in here.decorator_list if not _names(d, {"bundle"})]
        return self.generic_visit(here)

    def visit_AsyncFunctionDef(self, here: ast.AsyncFunctionDef) -> ast.AST:
        here.decorator_list = [d for d in here.decorator_list if not _names(d, {"bundle"})]
        return self.generic_visit(here)

    def visit_Assign(self, here: ast.Assign) -> ast.AST:
        name = _attribute_of_self(here.targets[0])
        if name in self._values and next(nodes_in(self._values[name]), None) is not None:
            here.value = _literal(plain(self._values[name]), name)
            return here
        return self.generic_visit(here)

    def visit_AnnAssign(self, here: ast.AnnAssign) -> ast.AST:
        name = _attribute_of_self(here.target)
        if here.value is not None and name in self._values and next(nodes_in(self._values[name]), None) is not None:
            here.value = _literal(plain(self._values[name]), name)
            return here
        return self.generic_visit(here)

    def visit_Attribute(self, here: ast.Attribute) -> ast.AST:
        self.generic_visit(here)
        if here.attr != "data" or not isinstance(here.ctx, ast.Load):
            return here
        if isinstance(self._values.get(_attribute_of_self(here.value)), Node):
            return here.value
        return ast.parse(f"getattr({ast.unparse(here.value)}, 'data', {ast.unparse(here.value)})", mode="eval").body

    def visit_Call(self, here: ast.Call) -> ast.AST:
        self.generic_visit(here)
        if _names(here.func, {"node"}) and here.args:
            return here.args[0]
        if isinstance(here.func, ast.Attribute) and here.func.attr == "len" and not here.args:
            return ast.Call(ast.Name("len", ast.Load()), [here.func.value], [])
        if isinstance(here.func, ast.Attribute) and here.func.attr in _NODE_METHODS and len(here.args) == 1:
            compare = ast.Eq() if here.func.attr == "eq" else ast.NotEq()
            return ast.Compare(here.func.value, [compare], [here.args[0]])
        return here


def _with_learned_methods(found: ast.ClassDef, learned: dict[str, str]) -> list[ast.stmt]:
    """Put learned code in the place of methods; return what it needs before the class."""
    before: list[ast.stmt] = []
    for place, row in enumerate(found.body):
        if isinstance(row, ast.FunctionDef) and row.name in learned:
            tree = ast.parse(learned[row.name])
            before += [
                other for other in tree.body if not (isinstance(other, ast.FunctionDef) and other.name == row.name)
            ]
            found.body[place] = next(f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == row.name)
    return before


def _learned_of(cls: type, owner: object | None) -> dict[str, str]:
    found = {name: value for name, value in vars(cls).items() if isinstance(value, Learned)}
    return {
        value.function.__name__: value.parameter_of(owner)._value if owner is not None else value.parameter._value
        for value in found.values()
    }


def _tree(value: Any) -> ast.Module:  # noqa: ANN401 - a class or a function
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(value)))
    except (OSError, TypeError) as error:
        raise DomainError(f"{value.__name__} has no source; define it in a file") from error


def _names(here: ast.expr, names: set[str]) -> bool:
    here = here.func if isinstance(here, ast.Call) else here
    return (here.id if isinstance(here, ast.Name) else here.attr if isinstance(here, ast.Attribute) else "") in names


def _attribute_of_self(target: ast.expr) -> str:
    is_own = isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
    return target.attr if is_own and isinstance(target, ast.Attribute) else ""


def _is_users(home: str) -> bool:
    top = home.partition(".")[0]
    return (
        top not in sys.stdlib_module_names
        and top != "autoagent"
        and "site-packages" not in str(getattr(sys.modules.get(home), "__file__", "site-packages"))
    )


def _literal(value: Any, name: str) -> ast.expr:  # noqa: ANN401 - any value
    value = value.tolist() if hasattr(value, "tolist") else value
    text = repr(value)
    try:
        if ast.literal_eval(text) == value:
            return ast.parse(text, mode="eval").body
    except (ValueError, SyntaxError, TypeError):
        pass
    raise DomainError(f"{name} holds a {type(value).__name__}, which cannot be written as source")
