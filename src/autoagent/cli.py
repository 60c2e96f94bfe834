"""The command line: parse, call, print. No logic."""

from __future__ import annotations

import typer

app = typer.Typer(name="autoagent", no_args_is_help=True, help=__doc__)


def main() -> None:
    """Run the command line."""
    app()
