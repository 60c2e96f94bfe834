"""Runs code that a model wrote, in a child process that can harm nobody."""

from autoagent.sandbox.isolation import Isolation, isolation
from autoagent.sandbox.limits import Limits
from autoagent.sandbox.sandbox import Sandbox

__all__ = ["Isolation", "Limits", "Sandbox", "isolation"]
