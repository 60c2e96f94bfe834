"""Reads code before it runs and refuses what no honest function needs: a first filter. The process is the wall."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from autoagent.errors import CodeRejected

_IMPORTS = frozenset(
    {
        *("math", "statistics", "re", "json", "itertools", "functools", "collections", "datetime", "string"),
        *("heapq", "bisect", "random", "numpy", "pandas"),
    }
)
_NAMES = frozenset(
    {
        *("eval", "exec", "compile", "open", "input", "globals", "locals", "vars", "breakpoint", "exit", "quit"),
        *("getattr", "setattr", "delattr", "memoryview", "help", "copyright", "credits", "license"),
    }
)
# Attributes by which allowed packages reach files, processes or code; found by reading their public names.
_ATTRIBUTES = frozenset(
    {
        *("ctypeslib", "load_library", "fromfile", "tofile", "memmap", "save", "savez", "savez_compressed", "savetxt"),
        *("load", "loadtxt", "genfromtxt", "DataSource", "open_memmap", "eval", "query", "f2py", "distutils"),
        *("read_pickle", "to_pickle", "read_csv", "to_csv", "read_json", "read_html", "read_excel", "to_excel"),
        *("read_parquet", "to_parquet", "read_sql", "to_sql", "read_hdf", "to_hdf", "read_feather", "to_feather"),
        *("read_orc", "to_orc", "read_sas", "read_spss", "read_stata", "to_stata", "read_xml", "to_xml", "read_table"),
        *("read_fwf", "read_clipboard", "to_clipboard", "ExcelFile", "ExcelWriter", "HDFStore", "gi_frame", "cr_frame"),
        *("f_globals", "f_locals", "f_builtins", "f_back", "tb_frame", "func_globals", "sys", "os", "subprocess"),
        *("format_map",),
    }
)
_FROM = _ATTRIBUTES | _NAMES
_MAX_BYTES = 100_000


@dataclass(frozen=True)
class Policy:
    """What code may contain.

    Attributes:
        imports: top-level packages that it may import.
        allow_helpers: functions and constants beside the one asked for.
        allow_classes: class definitions beside it.
        max_bytes: of its source.
        need_docstring: the function must describe itself.
        allow_async: the function, and helpers, may be coroutines.
    """

    imports: frozenset[str] = _IMPORTS
    allow_helpers: bool = True
    allow_classes: bool = False
    max_bytes: int = _MAX_BYTES
    need_docstring: bool = False
    allow_async: bool = False


def check_code(source: str, *, function: str, signature: str | None = None, policy: Policy | None = None) -> None:
    """Check that ``source`` defines exactly one function of that name and does nothing that the policy refuses.

    Args:
        source: the whole text.
        function: the name that must be defined at the top level, once.
        signature: for example ``"def f(x: int, y=2) -> int"`` or ``"(x, y=2)"``; names, order, kinds and defaults must
            be the same, annotations may differ. None: any.
        policy: what is allowed; the default allows a few packages, helpers and constants.

    Raises:
        CodeRejected: with every fault, each with its line.
    """
    policy = policy or Policy()
    tree = _parse(source, policy)
    try:
        faults = [
            *_shape_faults(tree, function, policy),
            *_signature_faults(tree, function, signature),
            *_content_faults(tree, policy),
        ]
    except RecursionError:
        faults = ["line 0: it is nested too deep to be read"]
    if faults:
        raise CodeRejected(f"the code of {function!r} is not accepted: {'; '.join(faults)}", faults=faults)


def _parse(source: str, policy: Policy) -> ast.Module:
    if len(source.encode("utf-8", "replace")) > policy.max_bytes:
        raise CodeRejected(f"the code has more than {policy.max_bytes} bytes", faults=["too long"])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the code's own escapes and comparisons; they are no faults
            return ast.parse(source)
    except SyntaxError as error:
        fault = f"line {error.lineno or 0}: it does not parse: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        fault = f"line 0: it does not parse: {type(error).__name__}"
    raise CodeRejected(f"the code is not accepted: {fault}", faults=[fault])


def _shape_faults(tree: ast.Module, function: str, policy: Policy) -> Iterator[str]:
    found = _definitions(tree, function)
    if len(found) != 1:
        yield f"line 1: it defines {len(found)} functions named {function!r} at the top level, not one"
    for node in found:
        if isinstance(node, ast.AsyncFunctionDef) and not policy.allow_async:
            yield f"line {node.lineno}: {function!r} is async"
        if policy.need_docstring and not ast.get_docstring(node):
            yield f"line {node.lineno}: {function!r} has no docstring"
    for statement in tree.body:
        if not _is_allowed_at_top(statement, function, policy):
            yield f"line {statement.lineno}: {_kind(statement)} at the top level"


def _definitions(tree: ast.Module, function: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in tree.body if isinstance(node, kinds) and node.name == function]


def _is_allowed_at_top(node: ast.stmt, function: str, policy: Policy) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name == function or policy.allow_helpers
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return policy.allow_helpers and all(isinstance(t, ast.Name) and t.id != function for t in targets)
    if isinstance(node, ast.ClassDef):
        return policy.allow_classes
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return is_text or isinstance(node, ast.Import | ast.ImportFrom)


def _kind(node: ast.stmt) -> str:
    return {"Expr": "a call or expression", "ClassDef": "a class"}.get(type(node).__name__, type(node).__name__.lower())


def _signature_faults(tree: ast.Module, function: str, signature: str | None) -> Iterator[str]:
    if signature is None:
        return
    wanted = _arguments(signature)
    for node in _definitions(tree, function):
        if _shown(node.args) != _shown(wanted):
            yield f"line {node.lineno}: the arguments are ({_shown(node.args)}), not ({_shown(wanted)})"


def _arguments(signature: str) -> ast.arguments:
    text = signature.strip().removesuffix(":")
    text = text if text.startswith(("def ", "async def ")) else f"def f{text}"
    body = ast.parse(f"{text}: pass").body[0]
    if not isinstance(body, ast.FunctionDef | ast.AsyncFunctionDef):
        raise TypeError(f"{signature!r} is not a signature")
    return body.args


def _shown(arguments: ast.arguments) -> str:
    bare = ast.parse(f"lambda {ast.unparse(_without_annotations(arguments))}: 0", mode="eval").body
    return ast.unparse(bare)[len("lambda") : -len(": 0")].strip()


def _without_annotations(arguments: ast.arguments) -> ast.arguments:
    def bare(one: ast.arg) -> ast.arg:
        return ast.arg(arg=one.arg)

    return ast.arguments(
        posonlyargs=[bare(one) for one in arguments.posonlyargs],
        args=[bare(one) for one in arguments.args],
        vararg=bare(arguments.vararg) if arguments.vararg else None,
        kwonlyargs=[bare(one) for one in arguments.kwonlyargs],
        kw_defaults=arguments.kw_defaults,
        kwarg=bare(arguments.kwarg) if arguments.kwarg else None,
        defaults=arguments.defaults,
    )


def _content_faults(tree: ast.Module, policy: Policy) -> Iterator[str]:
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        for fault in _node_faults(node, policy):
            yield f"line {line}: {fault}"


def _node_faults(node: ast.AST, policy: Policy) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (_import_fault(alias.name, policy) for alias in names if not _may_import(alias.name, policy))
        case ast.ImportFrom(module=module, names=names, level=level):
            if level or not _may_import(module or "", policy):
                yield _import_fault("." * level + (module or ""), policy)
            yield from (f"{alias.name!r} may not be imported" for alias in names if _is_refused(alias.name))
        case ast.Name(id=name) if name in _NAMES or _is_dunder(name):
            yield f"the name {name!r} is refused"
        case ast.Attribute(attr=name) if name in _ATTRIBUTES or _is_dunder(name):
            yield f"the attribute {name!r} is refused"
        case ast.keyword(arg=str(name)) if _is_dunder(name):
            yield f"the keyword {name!r} is refused"
        case ast.arg(arg=name) if _is_dunder(name):
            yield f"the argument {name!r} is refused"
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Await():
            yield from _definition_faults(node, policy)
        case ast.MatchClass(kwd_attrs=names):
            yield from (f"the attribute {name!r} is refused" for name in names if _is_dunder(name))
        case ast.Constant(value=str(text)) if "__" in text and _names_dunder(text):
            yield "a text that spells a double-underscore name is refused"
        case ast.Global():
            yield "global is refused"


def _definition_faults(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Await, policy: Policy
) -> Iterator[str]:
    if isinstance(node, ast.AsyncFunctionDef | ast.Await) and not policy.allow_async:
        yield f"{type(node).__name__.lower()} is refused"
    if not isinstance(node, ast.Await) and _is_dunder(node.name) and node.name not in _METHODS:
        yield f"the name {node.name!r} is refused"


_METHODS = frozenset({"__init__", "__call__", "__len__", "__iter__", "__next__", "__getitem__", "__eq__", "__hash__"})
_ESCAPES = (
    *("__class__", "__subclasses__", "__bases__", "__mro__", "__globals__", "__builtins__", "__import__"),
    *("__code__", "__dict__", "__getattribute__", "__reduce__", "__init__", "__loader__", "__spec__"),
)


def _names_dunder(text: str) -> bool:
    return any(name in text for name in _ESCAPES)


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_refused(name: str) -> bool:
    return name == "*" or name in _FROM or _is_dunder(name) or name.startswith("_")


def _may_import(module: str, policy: Policy) -> bool:
    parts = module.split(".")
    return parts[0] in policy.imports and not any(part.startswith("_") or part in _ATTRIBUTES for part in parts[1:])


def _import_fault(module: str, policy: Policy) -> str:
    return f"{module!r} may not be imported; allowed are {', '.join(sorted(policy.imports))}"
