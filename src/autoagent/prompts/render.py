"""Renders a prompt template; a name that the template needs and nobody gave is an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(template: str, context: Mapping[str, object]) -> str:
    """Return the text of ``templates/<template>.j2``.

    Args:
        template: ``"family/name"``.
        context: values for the template; text in them is data and is never read as a template.

    Raises:
        jinja2.TemplateNotFound: there is no such template: a bug.
        jinja2.UndefinedError: the context lacks a value: a bug.
    """
    return _environment().get_template(f"{template}.j2").render(dict(context))


def domain_words(row: Mapping[str, Any]) -> str:
    """Return a parameter's domain, default and condition, from ``Space.to_json``, in a line that is short to read."""
    match row["kind"]:
        case "float" | "int":
            number = "whole number" if row["kind"] == "int" else "number"
            words = f"{number} from {row['low']} to {row['high']}{', log scale' if row.get('log') else ''}"
        case "choice":
            words = "one of " + ", ".join(_to_json(option) for option in row["options"])
        case _:
            words = "true or false"
    conditions = (f"{name} is {' or '.join(map(_to_json, values))}" for name, values in row.get("when", {}).items())
    only = "".join(f"; only if {condition}" for condition in conditions)
    return f"{words}; default {_to_json(row['default'])}{only}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("autoagent.prompts", "templates"),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tojson"] = _to_json
    environment.globals["domain_words"] = domain_words
    return environment


def _to_json(value: object) -> str:
    """Write JSON as people read it; Jinja's own filter escapes it for HTML."""
    return json.dumps(value, ensure_ascii=False)
