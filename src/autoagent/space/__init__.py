"""Domains of parameters, and spaces of named parameters with conditions. Pure: no random state, no I/O of its own."""

from __future__ import annotations

from autoagent.space.code import Code
from autoagent.space.configurations import Config, Param, Space, domain_from_json, domain_to_json
from autoagent.space.domains import Bool, Choice, Domain, Float, Int, JSONScalar, Numeric, Searchable, Text
from autoagent.space.growth import Growth

__all__ = [
    "Bool",
    "Choice",
    "Code",
    "Config",
    "Domain",
    "Float",
    "Growth",
    "Int",
    "JSONScalar",
    "Numeric",
    "Param",
    "Searchable",
    "Space",
    "Text",
    "domain_from_json",
    "domain_to_json",
]
