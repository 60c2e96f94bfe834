"""`Module` and `model`: objects whose parameters can be listed, copied, saved, loaded and exported."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from autoagent.errors import DomainError
from autoagent.trace.exporting import source_of_object
from autoagent.trace.learned import Learned
from autoagent.trace.parameters import ParameterNode

VERSION = 1
_Class = TypeVar("_Class", bound=type)


class Module:
    """Something with parameters.

    They are the trainable nodes among its attributes, also in lists, tuples, dictionaries and other modules, and its
    trainable methods, of which each instance has its own.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as in Trace and torch
        """Do the module's work; called by calling the module."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as in Trace and torch
        """Call ``forward``."""
        return self.forward(*args, **kwargs)

    def parameters(self) -> list[ParameterNode]:
        """Return the parameters, each once, in the order of the attributes."""
        return list(dict.fromkeys(self.parameters_dict().values()))

    def parameters_dict(self) -> dict[str, ParameterNode]:
        """Return the parameters under their path: ``greeting``, ``stages[0].prompt``, ``tools['add']``, ``sort``."""
        return dict(_parameters(self, "", set()))

    def copy(self) -> Self:
        """Return a copy that shares the parameters; ``copy.deepcopy`` gives one with its own."""
        parameters_of_methods(self)  # made on first use, and after that they would no longer be shared
        fresh = copy.copy(self)
        for name, value in vars(fresh).items():
            if isinstance(value, list | dict):
                vars(fresh)[name] = copy.copy(value)
        vars(fresh)["_learned"] = vars(self).get("_learned", {})
        return fresh

    def save(self, path: str | Path) -> None:
        """Write the parameters to a JSON file."""
        rows = {name: {"value": _data(p._value), "kind": p.domain.kind} for name, p in self.parameters_dict().items()}
        text = json.dumps({"version": VERSION, "parameters": rows}, indent=1, ensure_ascii=False, allow_nan=False)
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f"{target.name}.tmp")
        beside.write_text(text, encoding="utf-8")
        beside.replace(target)

    def load(self, path: str | Path) -> None:
        """Set the parameters to those of a JSON file.

        Raises:
            DomainError: names or values do not fit, all of them named; nothing is changed then.
        """
        rows = json.loads(Path(path).read_text(encoding="utf-8"))["parameters"]
        known = self.parameters_dict()
        faults = [f"{name!r} is not a parameter" for name in rows if name not in known]
        faults += [f"{name!r} is missing" for name in known if name not in rows]
        checked = {}
        for name in [name for name in known if name in rows]:
            try:
                checked[name] = known[name].check(rows[name]["value"])
            except DomainError as error:
                faults.append(f"{name}: {error}")
        if faults:
            raise DomainError("; ".join(faults))
        for name, value in checked.items():
            known[name]._value = value

    def export(self, path: str | Path) -> None:
        """Write the class as plain Python that needs no autoagent, with learned code and present values put in.

        Raises:
            DomainError: something of it cannot be written as source.
        """
        Path(path).write_text(source_of_object(self), encoding="utf-8")


def model(cls: _Class) -> _Class:
    """Make a class a `Module`; as a decorator of the class, as in Trace."""
    if issubclass(cls, Module):
        return cls
    members = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    made = type(cls.__name__, (cls, Module), {**members, "__wrapped__": cls})
    return cast(_Class, made)


def parameters_of_methods(owner: object) -> dict[str, ParameterNode]:
    """Return the parameters of an object's trainable methods, by name."""
    found: dict[str, ParameterNode] = {}
    for cls in reversed(type(owner).__mro__):
        for name, value in vars(cls).items():
            found.pop(name, None)
            if isinstance(value, Learned):
                found[name] = value.parameter_of(owner)
    return found


def _parameters(value: object, path: str, seen: set[int]) -> Iterator[tuple[str, ParameterNode]]:
    if id(value) in seen:
        return
    seen.add(id(value))
    match value:
        case ParameterNode():
            yield path or value.stem, value
        case Learned():
            yield path, value.parameter
        case Module():
            dot = f"{path}." if path else ""
            for name, item in vars(value).items():
                if name != "_learned":
                    yield from _parameters(item, f"{dot}{name}", seen)
            for name, item in parameters_of_methods(value).items():
                yield from _parameters(item, f"{dot}{name}", seen)
        case list() | tuple():
            for place, item in enumerate(value):
                yield from _parameters(item, f"{path}[{place}]", seen)
        case Mapping():
            for name, item in value.items():
                yield from _parameters(item, f"{path}[{name!r}]", seen)


def _data(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return value.tolist() if hasattr(value, "tolist") else value
