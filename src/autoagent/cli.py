"""The command line: parse, call, print. No logic."""

from __future__ import annotations

import atexit
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from autoagent._version import __version__
from autoagent.bench.terminal import bench
from autoagent.errors import AutoAgentError, RequestError, RunFolderError, UserError

if TYPE_CHECKING:
    from rich.console import Console

    from autoagent.agent.api import Result

app = typer.Typer(
    name="autoagent",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A sentence and a table in, a measured, deployable model out.",
)
app.add_typer(bench, name="bench")

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Run folder, its unique beginning, or 'last'.")]
OutOption = Annotated[Path, typer.Option("--out", help="Where run folders are.")]
LLMOption = Annotated[str, typer.Option("--llm", help="none, openai:MODEL, or the URL of a compatible server.")]
RUNS = Path("runs")
BEGAN = time.monotonic()  # a budget counts from here, so that slow imports do not come on top


class What(StrEnum):
    """What can be listed."""

    runs = "runs"
    samplers = "samplers"
    pruners = "pruners"
    models = "models"
    optims = "optims"
    metrics = "metrics"


class Weights(StrEnum):
    """Where published weights may come from."""

    none = "none"
    cache = "cache"
    hub = "hub"


def main() -> None:
    """Run the command line: 0 is well, 2 is the user's to mend, 130 is Ctrl+C or SIGTERM, anything else is 1."""
    try:
        code = app(standalone_mode=False)  # what a command raised as typer.Exit comes back as its code
    except (KeyboardInterrupt, typer.Abort):
        raise SystemExit(130) from None
    except AutoAgentError as error:
        _say_error(error)
        raise SystemExit(2 if isinstance(error, UserError) else 1) from None
    except OSError as error:
        from autoagent.runs.disk import advice

        if (what := advice(error)) is None:
            raise
        _say_error(RunFolderError(f"{error.filename or 'a file'}: {error.strerror}; {what}"))
        raise SystemExit(1) from None
    except Exception as error:
        show = getattr(error, "show", None)  # a usage error of the command-line library
        if not callable(show):
            raise
        error.message = _plain(str(getattr(error, "message", "")))  # type: ignore[attr-defined]  # it has one
        show()
        raise SystemExit(2) from None
    _leave(code if isinstance(code, int) else 0)


def _leave(code: int) -> NoReturn:
    """End the process; after a run at once: all is on disk, and taking its modules apart takes 0.4 s of processor.

    What was asked to be done at the end, such as closing sandboxes and removing their folders, is done first.
    """
    if sys.argv[1:2] in (["run"], ["resume"]):
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise SystemExit(code)


@app.command()
def run(  # noqa: PLR0913 - each is an option of the command line
    data: Annotated[str, typer.Argument(help="A table file, or digits, iris, wine, breast_cancer, diabetes.")],
    request: Annotated[str, typer.Argument(help="What you want, in a sentence.")],
    llm: LLMOption = "none",
    budget: Annotated[str | None, typer.Option(help="Wall time, for example 10m.")] = None,
    max_cost: Annotated[float | None, typer.Option(help="US dollars for the language model.")] = None,
    price: Annotated[str | None, typer.Option(help="Of the model: PROMPT:COMPLETION in dollars per 1M tokens.")] = None,
    max_trials: Annotated[int | None, typer.Option(help="How many trials.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    out: OutOption = RUNS,
    workers: Annotated[int | None, typer.Option(help="Processes that fit models; one per core.")] = None,
    sampler: Annotated[str, typer.Option(help="See autoagent list samplers.")] = "agent",
    repeats: Annotated[bool, typer.Option("--repeats", help="Refold the best when nothing gains any more.")] = False,
    archive: Annotated[str, typer.Option(help="Folder of earlier runs to learn from, or none.")] = "none",
    code: Annotated[bool, typer.Option("--code", help="Let the model write code for trainings.")] = False,
    weights: Annotated[Weights, typer.Option(help="Published weights to start from.")] = Weights.cache,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; stop when something is missing.")] = False,
) -> None:
    """Build, measure and deliver a model."""
    from autoagent.agent.pool import started_early

    options: dict[str, Any] = {"llm": llm, "budget": budget, "max_cost": max_cost, "max_trials": max_trials}
    options["price"] = price
    options |= {"seed": seed, "out": out, "workers": workers, "sampler": sampler, "repeats": repeats}
    options |= {"code": code, "weights": weights.value, "archive": None if archive == "none" else archive}
    with started_early() as pool:
        result = _run_asking(data, request, {**options, "pool": pool}, ask=not yes)
    _show_result(result)


def _run_asking(data: str, request: str, options: dict[str, Any], *, ask: bool) -> Result:
    """Run, and ask for what is missing on a terminal."""
    with _quick_imports():
        from autoagent.agent.api import run as start
    began: float | None = BEGAN
    while True:
        try:
            with _view() as view:
                return start(data, request, view=view, began=began, **options)
        except RequestError as error:
            if not ask or not error.missing or not sys.stdin.isatty():
                raise
            _say_error(error)
            said = typer.prompt("Please say it (nothing ends)", default="", show_default=False, err=True).strip()
            if not said:
                _say("Nothing was said, and nothing was spent.")
                raise typer.Exit(2) from error
            request = f"{request}. {said}"
            began = None  # the time that a person takes to answer is not the run's


@contextmanager
def _quick_imports() -> Iterator[None]:
    """Import without looking for garbage, of which imports make none: it takes a fifth of their time."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


@app.command()
def resume(run: RunArgument, out: OutOption = RUNS) -> None:
    """Go on with an interrupted run."""
    from autoagent.agent.api import resume as go_on

    with _view() as view:
        result = go_on(_find(run, out), view=view)
    _show_result(result)


@app.command()
def replay(run: RunArgument, out: OutOption = RUNS) -> None:
    """Redo a run's decisions from its folder, without a language model, and compare."""
    from autoagent.agent.replay import replay as redo

    outcome = redo(_find(run, out))
    for text in outcome.differences:
        typer.echo(f"differs: {_plain(text)}")
    typer.echo(f"{outcome.n_decisions} decisions redone, {len(outcome.differences)} differ")
    if not outcome.equal:
        raise typer.Exit(1)


@app.command()
def report(run: RunArgument, out: OutOption = RUNS) -> None:
    """Write the report again and print where it is."""
    from autoagent.report.html import write_report
    from autoagent.runs.folder import open_run

    typer.echo(_plain(str(write_report(open_run(_find(run, out))))))


@app.command()
def parse(
    request: Annotated[str, typer.Argument(help="The sentence.")],
    data: Annotated[str | None, typer.Argument(help="The table that it is about.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The spec as JSON.")] = False,
    llm: LLMOption = "none",
) -> None:
    """Show what a sentence is understood to ask for; nothing is spent but the language model's reading, if any."""
    from autoagent.agent.request import read_request, render_rows
    from autoagent.llm.connect import connect

    understanding, _, _ = read_request(request, data, llm=connect(llm))
    if as_json:
        typer.echo(_plain(json.dumps(understanding.spec.to_json(), indent=1, ensure_ascii=False), json.dumps))
    else:
        _table(["field", "value", "because you wrote"], render_rows(understanding))
        for text in (*understanding.assumptions, *understanding.notices):
            typer.echo(f"note: {_plain(text)}")
        for question in understanding.questions:
            typer.echo(f"open: {question.key}: {_plain(question.text)}")


@app.command()
def predict(
    run: RunArgument,
    rows: Annotated[
        Path | None,
        typer.Argument(help="New rows, in any format that run reads; a history, or nothing, for a model of series."),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="CSV file; the screen when left out.")] = None,
    lenient: Annotated[bool, typer.Option("--lenient", help="Read cells of the wrong type as missing.")] = False,
    out: OutOption = RUNS,
) -> None:
    """Predict new rows with a run's model; forecast the series of a history, or from the end of the data."""
    from autoagent.agent.predicting import predict_file
    from autoagent.inference import InputError, write_answers

    table, notes = predict_file(_find(run, out), rows, lenient=lenient, output=output)
    try:
        notes += write_answers(table, output)
    except InputError as error:
        raise UserError(str(error)) from error
    for text in notes:
        _say(f"note: {text}")


@app.command()
def serve(
    run: RunArgument,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 picks a free one.")] = 8000,
    out: OutOption = RUNS,
) -> None:
    """Serve a run's model over HTTP: POST /predict, GET /schema, GET /health.

    Requests must carry the bearer token in the environment variable AUTOAGENT_TOKEN, when that is set.
    """
    import os

    from autoagent.agent.api import load
    from autoagent.serve.app import serve_model

    serve_model(load(_find(run, out)), host=host, port=port, token=os.environ.get("AUTOAGENT_TOKEN") or None, say=_say)


@app.command("list")
def list_things(what: What, out: OutOption = RUNS) -> None:
    """List runs, or the plug-ins of a family."""
    if what is What.runs:
        from autoagent.agent.listing import run_rows

        _table(["run", "metric", "test score", "ended"], run_rows(out))
        return
    from autoagent.registry import family

    _table(["name", "summary", "paper"], [(c.name, c.summary, c.paper) for c in family(what.value).values()])


@app.command()
def doctor(llm: LLMOption = "none", out: OutOption = RUNS) -> None:
    """Show what is here: machine, versions, language model, isolation. Nothing is spent."""
    from autoagent.agent.doctor import examine

    rows = examine(llm, out)
    _table(["", "what", "value"], [("ok" if ok else "--", what, value) for what, value, ok in rows])


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@contextmanager
def _view() -> Iterator[Any]:
    from autoagent.report.live import LiveView, PlainView

    console = _console()
    try:
        with (LiveView if console.is_terminal else PlainView)(console) as view:
            yield view
    except KeyboardInterrupt as stop:  # typer would swallow what it says
        _say(str(stop) or "Stopped; autoagent resume goes on.")
        raise typer.Exit(130) from None


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 200)  # a pipe has no width


def _find(run: str, out: Path) -> Path:
    if (Path(run) / "journal.jsonl").is_file() or (Path(run) / "model.json").is_file():
        return Path(run)
    from autoagent.runs.folder import list_runs

    names = [folder.root for folder in list_runs(out)]
    found = names[-1:] if run == "last" else [root for root in names if run and root.name.startswith(run)]
    if run == "last" and names:
        found = [max(names, key=lambda root: (root / "journal.jsonl").stat().st_mtime)]
    if len(found) != 1:
        what = f"{len(found)} runs begin with" if found else "no run is named"
        raise RunFolderError(f"{what} {run!r} under {str(out)!r}; see: autoagent list runs")
    return found[0]


def _show_result(result: Result) -> None:
    test, spread = result.state.test or {}, ""
    if result.interval is not None:
        spread = f" (95 % interval {result.interval[0]:.4g} to {result.interval[1]:.4g})"
    console = _console()  # wraps at words
    console.print(f"\n{result.metric} on {test.get('n_rows')} sealed test rows: {result.score:.4g}{spread}")
    baseline = _short(test.get("baseline_score"))
    console.print(f"chosen by {result.validation:.4g} out of fold; without a model: {baseline}")
    for row in result.limits:
        sign = ">=" if row.get("at_least") else "<="
        mark = "✓" if row["ok"] else "✗"
        typer.echo(f"{mark} {_plain(str(row['key']))}: {_short(row['measured'])} ({sign} {_short(row['limit'])})")
    typer.echo(_plain(f"model:  {result.folder.model}\nreport: {result.report}"))
    if result.was_interrupted:
        _say("You stopped the search; this is the best until then.")
        raise typer.Exit(130)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float | int) else "not defined"


def _table(heads: list[str], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.table import Table
    from rich.text import Text

    kept = [place for place, _ in enumerate(heads) if not rows or any(row[place] for row in rows)]
    heads, rows = [heads[place] for place in kept], [tuple(row[place] for place in kept) for row in rows]
    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_plain(cell)) for cell in row))
    _console().print(table)


def _say_error(error: Exception) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    console.print(Text(f"error: {_plain(str(error))}", style="red"), soft_wrap=not console.is_terminal)


def _say(text: str) -> None:
    typer.echo(_plain(text), err=True)


def _plain(text: str, spell: Callable[[str], str] = repr) -> str:
    """Return text that cannot steer a terminal: control characters are shown, not sent."""
    return "".join(char if char.isprintable() or char == "\n" else spell(char)[1:-1] for char in text)
