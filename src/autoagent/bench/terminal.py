"""The commands under ``autoagent bench``: parse, call, print. No logic; nothing heavy is imported for their help."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from autoagent.bench.command import Shown

bench = typer.Typer(
    no_args_is_help=True, help="Measure samplers on tasks, by a protocol that keeps tuning and test apart."
)

LLMOption = Annotated[str, typer.Option("--llm", help="none, openai:MODEL, or the URL of a compatible server.")]
TasksOption = Annotated[str, typer.Option(help="Tasks or suites, by commas; see autoagent bench tasks.")]
SeedsOption = Annotated[int, typer.Option(help="Searches of each method on each task; claims need 10.")]
TrialsOption = Annotated[int, typer.Option(help="Of each search.")]
FolderOption = Annotated[Path, typer.Option("--out", help="Folder of the comparison; what it has is not run again.")]
CrewOption = Annotated[int, typer.Option(help="Processes.")]
TuneSeedsOption = Annotated[int, typer.Option(help="Evaluations that a trial's loss is the mean of.")]
TestSeedsOption = Annotated[int, typer.Option(help="Evaluations of what a search recommends, once, at its end.")]


@bench.command("samplers")
def bench_samplers(  # noqa: PLR0913 - each is an option of the command line
    samplers: Annotated[str, typer.Option(help="By semicolons or commas; options as JSON: 'tpe;de{\"size\": 12}'.")],
    tasks: TasksOption,
    out: FolderOption,
    seeds: SeedsOption = 10,
    trials: TrialsOption = 50,
    workers: CrewOption = 1,
    tune_seeds: TuneSeedsOption = 1,
    test_seeds: TestSeedsOption = 5,
    llm: LLMOption = "none",
) -> None:
    """Compare samplers: ranks, pairs, regret against trials and seconds, budgets; a page with plots."""
    from autoagent.bench.command import Ask, compare_samplers

    ask = Ask(tasks.split(","), seeds, trials, out, workers, tune_seeds, test_seeds)
    words = samplers.split(";" if ";" in samplers or "{" in samplers else ",")
    with _counting() as progress:
        shown = compare_samplers(ask, words, llm=llm, progress=progress)
    _show(shown)


@bench.command("lottery")
def bench_lottery(
    samplers: Annotated[str, typer.Option(help="By commas: tpe, pso, cem, de, coordinate, evolution, mcts.")],
    tasks: TasksOption,
    out: FolderOption,
    settings: Annotated[int, typer.Option(help="Of each sampler, its declared ones among them.")] = 6,
    seeds: SeedsOption = 10,
    trials: TrialsOption = 50,
    workers: CrewOption = 1,
) -> None:
    """Run each sampler under several of its own settings: how much of a lead is luck in those."""
    from autoagent.bench.command import Ask, run_lottery

    with _counting() as progress:
        shown = run_lottery(
            Ask(tasks.split(","), seeds, trials, out, workers),
            samplers.split(","),
            settings=settings,
            progress=progress,
        )
    _show(shown)


@bench.command("report")
def bench_report(out: FolderOption) -> None:
    """Write the page of a comparison again, finished or not, and print what it says in short."""
    from autoagent.bench.command import show

    _show(show(out))


@bench.command("subsets")
def bench_subsets(
    out: FolderOption,
    size: Annotated[int, typer.Option(help="Tasks in each of the two.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the choice.")] = 0,
) -> None:
    """Divide a comparison's tasks into two small sets that stand for all: one to develop on, one to claim on."""
    from autoagent.bench.command import divide_tasks

    dev, test, gaps = divide_tasks(out, size, seed=seed)
    for name, tasks, gap in (("develop", dev, gaps[0]), ("test", test, gaps[1])):
        typer.echo(f"{name} on: {','.join(tasks)} (star discrepancy {gap:.3f})")


@bench.command("tasks")
def bench_tasks() -> None:
    """List tasks and suites."""
    from autoagent.bench.command import task_rows

    _table(["task", "summary", "paper"], task_rows())


@contextmanager
def _counting() -> Iterator[Any]:
    from rich.progress import Progress

    with Progress(console=_console(), transient=True, disable=not sys.stdout.isatty()) as bar:
        line = bar.add_task("searches", total=None)

        def count(record: Any, done: int, total: int) -> None:  # noqa: ANN401 - a record of the benchmark
            bar.update(line, completed=done, total=total, description=f"{record.task} {record.arm}")

        yield count


def _show(shown: Shown) -> None:
    from autoagent.report.wording import visible

    _table(shown.heads, shown.rows)
    for note in shown.notes:
        typer.echo(visible(note))
    typer.echo(f"report: {shown.page}")


def _table(heads: list[str], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from autoagent.report.wording import visible

    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    _console().print(table)


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 200)  # a pipe has no width
