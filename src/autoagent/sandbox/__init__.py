"""Runs code that a model wrote, in a child process that can harm nobody."""

from autoagent.sandbox.limits import Limits
from autoagent.sandbox.sandbox import Sandbox
from autoagent.sandbox.selftest import Isolation, isolation

__all__ = ["Isolation", "Limits", "Sandbox", "isolation"]
