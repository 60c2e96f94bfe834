"""Functions whose body is a parameter: source that an optimizer may replace, run in the sandbox unless trusted."""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol

from autoagent.errors import AutoAgentError, CodeRejected, DomainError, SandboxError, SandboxFailure
from autoagent.space import Code
from autoagent.trace.bundling import Call, bundled
from autoagent.trace.failing import CodeFailed, mark
from autoagent.trace.loading import load_source
from autoagent.trace.nodes import Node
from autoagent.trace.operators import Operator
from autoagent.trace.parameters import ParameterNode, Projection

_VERSIONS = 64  # functions kept, one for each version of the source


class Runner(Protocol):
    """The promise of a sandbox: run one function of some source on data, and return data."""

    def call(self, source: str, function: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - JSON or arrays
        """Return what the function returned, or raise an `AutoAgentError`."""


class Learned:
    """A bundled function whose source is a `Code` parameter; as a method, each instance has a parameter of its own.

    Attributes:
        function: the function as it was written.
        trusted: its code runs in this process, with the names of its module; otherwise in the sandbox, with nothing
            but its arguments, and the instance of a method is None there.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        operation: Operator,
        *,
        trusted: bool,
        projections: Sequence[Projection],
        sandbox: Runner | None,
        policy: Callable[[str], None] | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function, self.trusted = function, trusted
        self._operation, self._projections, self._sandbox = operation, tuple(projections), sandbox
        self._source, names = source_of(function)
        if not trusted:
            self._source = _self_contained(function, self._source, names)
        policy = policy if policy is not None or trusted else _policy(function.__name__)
        self._domain = Code.of(self._source, function.__name__, policy=policy)
        self._domain.check(self._source)
        self._is_method = "." in function.__qualname__.rpartition("<locals>.")[2]
        self._attribute = function.__name__
        self._lock = threading.Lock()
        self._own: tuple[ParameterNode, Callable[..., Any]] | None = None
        self._versions = functools.lru_cache(maxsize=_VERSIONS)(self._load)

    def __set_name__(self, owner: type, name: str) -> None:
        self._attribute = name

    def __deepcopy__(self, memo: dict[int, object]) -> Learned:
        fresh = copy.copy(self)
        fresh._lock, fresh._own = threading.Lock(), None
        if self._own is not None:
            parameter = copy.deepcopy(self._own[0], memo)
            fresh._own = parameter, fresh._bundled(parameter)
        return fresh

    def __get__(self, instance: object, owner: type | None = None) -> Any:  # noqa: ANN401 - a callable
        if instance is None:
            return self
        return functools.partial(self._for(self.parameter_of(instance)), instance)

    def __call__(self, *args: object, **kwargs: object) -> Node:
        """Run the current source, traced."""
        if self._is_method and args and hasattr(args[0], "__dict__"):
            run = self._for(self.parameter_of(args[0]))
        else:
            run = self._for(self.parameter)
        made: Node = run(*args, **kwargs)
        return made

    @property
    def parameter(self) -> ParameterNode:
        """The source of a plain function."""
        return self._own_call()[0]

    def parameters(self) -> list[ParameterNode]:
        """Return the parameter in a list, as a module does."""
        return [self.parameter]

    def parameter_of(self, instance: object) -> ParameterNode:
        """Return the source of an instance's method, made on first use."""
        try:
            known: dict[str, ParameterNode] = vars(instance).setdefault("_learned", {})
        except TypeError as error:
            raise TypeError(f"{type(instance).__name__} has no __dict__, so its methods cannot be trainable") from error
        with self._lock:
            if self._attribute not in known:
                known[self._attribute] = self._new_parameter()
            return known[self._attribute]

    def _own_call(self) -> tuple[ParameterNode, Callable[..., Any]]:
        with self._lock:
            if self._own is None:
                parameter = self._new_parameter()
                self._own = parameter, self._bundled(parameter)
            return self._own

    def _new_parameter(self) -> ParameterNode:
        return ParameterNode(
            self._source,
            self.function.__name__,
            domain=self._domain,
            description=self._operation.description,
            projections=self._projections,
        )

    def _for(self, parameter: ParameterNode) -> Callable[..., Any]:
        if self._own is not None and self._own[0] is parameter:
            return self._own[1]
        return self._bundled(parameter)

    def _bundled(self, parameter: ParameterNode) -> Callable[..., Any]:
        told = self._operation
        operation = Operator(told.name, told.description, told.arguments, parameter)

        @functools.wraps(self.function)
        def run(*args: object, **kwargs: object) -> Any:  # noqa: ANN401 - whatever the learned code returns
            source = parameter.data  # read inside the operation, and so linked to its result
            return (self._run_here if self.trusted else self._run_sandboxed)(source, args, kwargs)

        return bundled(run, Call(run, operation))

    def _load(self, source: str) -> ModuleType:
        names = {**self.function.__globals__, **inspect.getclosurevars(self.function).nonlocals}
        names.pop(self.function.__name__, None)  # the learned function itself, so that it may call itself
        return load_source(source, f"learned.{self.function.__name__}", names)

    def _run_here(self, source: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:  # noqa: ANN401
        try:
            return getattr(self._versions(source), self.function.__name__)(*args, **kwargs)
        except AutoAgentError:
            raise
        except Exception as error:
            raise CodeFailed(*_told(error, source, f"<learned.{self.function.__name__}>")) from error

    def _run_sandboxed(self, source: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:  # noqa: ANN401
        runner = self._sandbox if self._sandbox is not None else _shared_sandbox()
        given = (None, *args[1:]) if self._is_method else args
        try:
            return runner.call(source, self.function.__name__, *given, **kwargs)
        except SandboxError as error:
            raise CodeFailed(*_marked(error.kind, error.detail, error.line, source)) from error
        except SandboxFailure as error:
            raise CodeFailed(f"{type(error).__name__}: {error}", source) from error


def source_of(function: Callable[..., Any]) -> tuple[str, set[str]]:
    """Return a function's own source without decorators, at the left margin, and the names that it reads.

    Raises:
        DomainError: there is no source, or it is no plain function.
    """
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise DomainError(f"{function.__name__}: only a plain function can be trainable, no coroutine and no generator")
    try:
        text = textwrap.dedent("".join(inspect.getsourcelines(function)[0]))
    except (OSError, TypeError) as error:
        raise DomainError(f"{function.__name__} has no source to learn from; define it in a file") from error
    found = next((here for here in ast.walk(ast.parse(text)) if isinstance(here, ast.FunctionDef)), None)
    if found is None or found.name != function.__name__:
        raise DomainError(f"{function.__name__} is not defined by a plain `def`")
    lines = text.split("\n")[found.lineno - 1 : found.end_lineno]
    found.decorator_list = []
    names = [here for here in ast.walk(found) if isinstance(here, ast.Name)]
    own = {here.id for here in names if not isinstance(here.ctx, ast.Load)} | {
        given.arg for given in ast.walk(found.args) if isinstance(given, ast.arg)
    }
    return textwrap.dedent("\n".join(lines)) + "\n", {here.id for here in names} - own - {found.name}


def _self_contained(function: Callable[..., Any], source: str, names: set[str]) -> str:
    """Return the source with the imports that it needs before it.

    Raises:
        DomainError: it needs more of its module than imports.
    """
    known = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    needed = {name: known[name] for name in sorted(names) if name in known}
    others = [name for name, value in needed.items() if not isinstance(value, ModuleType)]
    if others:
        raise DomainError(
            f"{function.__name__} uses {others!r} from outside; the sandbox has only what the function defines or "
            "imports itself. Move them into it, or say trusted=True to run learned code in this process"
        )
    imports = [f"import {value.__name__} as {name}" for name, value in needed.items()]
    plain = [
        line if not line.endswith(f"import {line.split()[1]} as {line.split()[1]}") else f"import {line.split()[1]}"
        for line in imports
    ]
    return "\n".join([*plain, "", "", source]) if plain else source


def _policy(function: str) -> Callable[[str], None]:
    def check(source: str) -> None:
        from autoagent.sandbox.policy import check_code

        try:
            check_code(source, function=function, signature=None)
        except CodeRejected as error:
            raise DomainError(str(error)) from error

    return check


@functools.cache
def _shared_sandbox() -> Runner:
    """Return the sandbox that learned functions share; its workers stay warm between calls."""
    from autoagent.sandbox import Sandbox

    return Sandbox()


def _told(error: Exception, source: str, file: str) -> tuple[str, str]:
    trace, line = error.__traceback__, 0
    while trace is not None:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == file else line
        trace = trace.tb_next
    return _marked(type(error).__name__, str(error), line, source)


def _marked(kind: str, detail: str, line: int, source: str) -> tuple[str, str]:
    said = f"{kind}: {detail}"
    where = f" (line {line})" if line else ""
    return f"{said}{where}", mark(source.rstrip("\n").split("\n"), line - 1, said)
