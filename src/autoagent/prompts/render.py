"""Renders a prompt template; a name that the template needs and nobody gave is an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

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
    return environment


def _to_json(value: object) -> str:
    """Write JSON as people read it; Jinja's own filter escapes it for HTML."""
    return json.dumps(value, ensure_ascii=False)
