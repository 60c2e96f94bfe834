"""Functions whose body is a parameter: source that an optimizer may replace, run in the sandbox unless trusted."""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import sys
import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol

from autoagent.errors import CodeRejected, DomainError, SandboxError, SandboxFailure
from autoagent.space import Code
from autoagent.trace.bundling import Call, bundled
from autoagent.trace.executing import Execution, of_its_kind, telling
from autoagent.trace.failing import CodeFailed, marked_source
from autoagent.trace.loading import load_source
from autoagent.trace.nodes import Node
from autoagent.trace.operators import Operator
from autoagent.trace.parameters import ParameterNode, Projection

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
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
            if inspect.isasyncgenfunction(function):
                raise DomainError(f"{function.__name__}: an async generator can be learned with trusted=True alone")
            self._source = _self_contained(function, self._source, names)
        policy = policy if policy is not None or trusted else _policy(function)
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

        def execute(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Execution:
            source = parameter.data  # read inside the operation, and so linked to its result
            return Execution(self._here if self.trusted else self._sandboxed, source, args, kwargs, self.trusted)

        run = of_its_kind(self.function, execute)
        return bundled(run, Call(run, operation))

    def _load(self, source: str) -> ModuleType:
        names = {**self.function.__globals__, **inspect.getclosurevars(self.function).nonlocals}
        names.pop(self.function.__name__, None)  # the learned function itself, so that it may call itself
        return load_source(source, f"learned.{self.function.__name__}", names)

    def _here(self, source: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:  # noqa: ANN401
        function = getattr(self._versions(source), self.function.__name__)
        with telling(source, f"<learned.{self.function.__name__}>"):
            return function(*args, **kwargs)

    def _sandboxed(self, source: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:  # noqa: ANN401
        runner = self._sandbox if self._sandbox is not None else _shared_sandbox()
        given = (None, *args[1:]) if self._is_method else args
        try:
            return runner.call(source, self.function.__name__, *given, **kwargs)
        except SandboxError as error:
            raise CodeFailed(*marked_source(error.kind, error.detail, error.line, source)) from error
        except SandboxFailure as error:
            raise CodeFailed(f"{type(error).__name__}: {error}", source) from error


def source_of(function: Callable[..., Any]) -> tuple[str, set[str]]:
    """Return a function's own source without decorators, at the left margin, and the names that it reads.

    Raises:
        DomainError: there is no source, or it is not defined by ``def`` or ``async def``.
    """
    try:
        text = textwrap.dedent("".join(inspect.getsourcelines(function)[0]))
    except (OSError, TypeError) as error:
        raise DomainError(f"{function.__name__} has no source to learn from; define it in a file") from error
    found = next((here for here in ast.walk(ast.parse(text)) if isinstance(here, _DEFINITIONS)), None)
    if found is None or found.name != function.__name__:
        raise DomainError(f"{function.__name__} is not defined by a `def`")
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
    imports = {name: _import_of(name, value) for name, value in needed.items()}
    others = [name for name, line in imports.items() if line is None]
    if others:
        raise DomainError(
            f"{function.__name__} uses {others!r} from outside; the sandbox has only what the function defines or "
            "imports itself. Move them into it, or say trusted=True to run learned code in this process"
        )
    return "\n".join([*filter(None, imports.values()), "", "", source]) if imports else source


def _import_of(name: str, value: object) -> str | None:
    """Return the line that imports a module, or a name such as ``Iterator`` from where it is; None where none would."""
    from autoagent.sandbox.policy import Policy

    if isinstance(value, ModuleType):
        return f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}")
    home, own = getattr(value, "__module__", None) or "", getattr(value, "__name__", "")
    if home.partition(".")[0] not in Policy().imports or getattr(sys.modules.get(home), own, None) is not value:
        return None
    return f"from {home} import {own}" + ("" if own == name else f" as {name}")


def _policy(function: Callable[..., Any]) -> Callable[[str], None]:
    waits = inspect.iscoroutinefunction(function)

    def check(source: str) -> None:
        from autoagent.sandbox.policy import Policy, check_code

        try:
            check_code(source, function=function.__name__, signature=None, policy=Policy(allow_async=waits))
        except CodeRejected as error:
            raise DomainError(str(error)) from error

    return check


@functools.cache
def _shared_sandbox() -> Runner:
    """Return the sandbox that learned functions share; its workers stay warm between calls."""
    from autoagent.sandbox import Sandbox

    return Sandbox()
