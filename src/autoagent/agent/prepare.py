"""The first half of a run: understand, inspect, plan, split; afterwards all that the search needs is on disk."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from autoagent.agent.environment import describe_environment
from autoagent.agent.plan import Plan, make_plan
from autoagent.agent.recorder import Recorder
from autoagent.agent.request import read_request, render_rows
from autoagent.agent.reserve import too_short
from autoagent.agent.series import FoundSeries, find_series, split_series
from autoagent.agent.settings import Settings, source_of
from autoagent.agent.spec import Understanding
from autoagent.agent.understand import Resolved, resolve, understand
from autoagent.agent.understand.evidence import DataEvidence
from autoagent.agent.understand.resolve import resolve_series
from autoagent.agent.understand.series import SERIES_TASKS
from autoagent.data.card import DataCard, inspect
from autoagent.data.images.source import ImageSource
from autoagent.data.images.structures import STRUCTURES, Structure
from autoagent.data.leakage import LeakWarning, check_leaks, image_warnings
from autoagent.data.seal import Schema, write_split
from autoagent.data.splits import Split, encode_target, make_split
from autoagent.data.table import Table
from autoagent.durable import sync_path, sync_tree, write_durably
from autoagent.errors import DataError
from autoagent.llm.client import LLM
from autoagent.runs.budget import tighter
from autoagent.runs.folder import RunFolder
from autoagent.runs.journal import utc_now
from autoagent.trace import Graph, bundle, node


def prepare(folder: RunFolder, settings: Settings, request: str, llm: LLM | None, recorder: Recorder) -> Plan:
    """Do everything that comes before the search, traced, and write it down.

    Raises:
        UserError: the request or the data must change first.
    """
    for stale in (folder.data, folder.sealed):  # of an attempt that was killed before it had planned
        shutil.rmtree(stale, ignore_errors=True)
    if (short := too_short(tighter(settings.budget_s, understand(request).spec.constraints.train_time_s))) is not None:
        recorder.note(short)
    write_json(folder.environment, describe_environment(seed=settings.seed, started=utc_now()))
    with Graph() as graph:
        plan = _trace(folder, settings, request, llm, recorder)
        write_json(folder.graph, graph.to_json())
    for kept in (folder.data, folder.sealed):
        sync_tree(kept)
    sync_path(folder.root)
    recorder.record("planned", {"families": plan.families, "n_folds": plan.n_folds, "metric": plan.metric})
    for reason in plan.reasons:
        recorder.view.note(reason)
    return plan


def _trace(folder: RunFolder, settings: Settings, request: str, llm: LLM | None, recorder: Recorder) -> Plan:
    @bundle(description="Read the sentence into a typed spec, with the table as evidence.")
    def understand(request: str, data: str) -> tuple[Understanding, Table, DataEvidence]:
        return _understand(folder, settings, request, llm, recorder)

    @bundle(description="Find what each column is, what is odd, and what knows the target too well.")
    def inspect_data(understood: tuple[Understanding, Table, DataEvidence]) -> tuple[Resolved, DataCard]:
        return _inspect(folder, *understood)

    @bundle(description="Choose models, folds, workers and limits.")
    def make_the_plan(understood: tuple[Understanding, Table, DataEvidence], found: tuple[Resolved, DataCard]) -> Plan:
        plan = make_plan(understood[0].spec, found[0], found[1], settings)
        write_durably(folder.plan, plan.model_dump_json(indent=1))
        return plan

    @bundle(description="Divide the rows and seal the test part.")
    def split(
        understood: tuple[Understanding, Table, DataEvidence], found: tuple[Resolved, DataCard], plan: Plan
    ) -> dict[str, Any]:
        if found[0].series is not None:
            return _split_series(folder, found[0].series, plan, recorder)
        return _split(folder, understood[1], found[1], plan, recorder)

    understood = understand(node(request, name="request"), node(settings.data, name="data"))
    found = inspect_data(understood)
    plan = make_the_plan(understood, found)
    split(understood, found, plan)
    made: Plan = plan.data
    return made


def _understand(
    folder: RunFolder, settings: Settings, request: str, llm: LLM | None, recorder: Recorder
) -> tuple[Understanding, Table, DataEvidence]:
    understanding, table, evidence = read_request(
        request, source_of(folder, settings), llm=llm, budget_s=settings.budget_s
    )
    if table is None:
        raise DataError("there is no data; name a file or a built-in table")
    write_durably(folder.spec, understanding.model_dump_json(indent=1))
    recorder.view.understood(render_rows(understanding))
    recorder.record("understood", {"spec": understanding.spec.to_json()})
    for text in (*understanding.notices, *table.repairs):
        recorder.note(text)
    return understanding, table, evidence


def _inspect(
    folder: RunFolder, understanding: Understanding, table: Table, evidence: DataEvidence
) -> tuple[Resolved, DataCard]:
    if understanding.spec.task_type in SERIES_TASKS:
        return _inspect_series(folder, understanding, table)
    resolved = resolve(understanding, evidence)
    frame = table.frame.drop(columns=understanding.spec.data.features_exclude or [], errors="ignore")
    card = inspect(
        frame,
        target=resolved.target,
        task=resolved.task,
        name=table.name,
        images=table.images,
        targets=table.targets if resolved.task in STRUCTURES else None,
        texts=understanding.spec.data.text_fields or (),
    )
    write_durably(folder.card, card.model_dump_json(indent=1))
    return resolved, card


def _inspect_series(folder: RunFolder, understanding: Understanding, table: Table) -> tuple[Resolved, DataCard]:
    found = find_series(understanding, table.frame)
    card = inspect(found.frame, target=found.framing.target, task="regression", name=table.name)
    write_durably(folder.card, card.model_dump_json(indent=1))
    return resolve_series(found), card


def _split_series(folder: RunFolder, found: FoundSeries, plan: Plan, recorder: Recorder) -> dict[str, Any]:
    facts, leaks = split_series(folder, found, plan.metric, seed=plan.seed)
    _tell_leaks(folder, leaks, recorder)
    write_json(folder.root / "classes.json", {"kind": "float"})
    return facts


def _split(folder: RunFolder, table: Table, card: DataCard, plan: Plan, recorder: Recorder) -> dict[str, Any]:
    rows = table.frame.drop(columns=plan.excluded, errors="ignore")
    y, classes, structure = _targets(table, rows, plan)
    rows = rows[rows[plan.target].notna()].reset_index(drop=True)
    key = None if plan.split.key is None else rows[plan.split.key]
    split = make_split(
        y,
        task=plan.task,
        seed=plan.seed,
        kind=plan.split.kind,
        key=key,
        test_fraction=plan.split.test_fraction,
        n_folds=plan.n_folds,
    )
    write_leaks(folder, rows, y, plan, recorder, split, table.images)
    hidden = {plan.split.key} if plan.split.kind == "group" else set()
    roles = {column.name: column.role for column in card.features() if column.name not in hidden}
    if not roles:
        raise DataError("no column is left to learn from")
    if structure is not None and table.images is not None:
        roles = {table.images.column: "image"}  # a mask is made of its image alone
    schema = Schema(roles=roles, target=plan.target, task=plan.task, classes=classes)
    write_split(folder.root, rows, y, split, schema, table.images, structure)
    if plan.pretrained:
        write_json(folder.data / "weights.json", {name: row.model_dump() for name, row in plan.pretrained.items()})
    kind = class_kind(rows[plan.target]) if classes else "float"
    write_json(folder.root / "classes.json", {"kind": kind if structure is None else "str"})
    return {
        "kind": split.kind,
        "sha256": split.sha256,
        "n_train": len(split.train_rows),
        "n_test": len(split.test_rows),
    }


def _targets(table: Table, rows: pd.DataFrame, plan: Plan) -> tuple[NDArray[Any], list[str], Structure | None]:
    """Return the targets of the rows that have one, the names of classes, and what is in masks, boxes or joints."""
    known = rows[plan.target].notna()
    if plan.task not in STRUCTURES or table.targets is None:
        return *encode_target(rows.loc[known, plan.target], plan.task), None
    structure = table.targets.structure
    return table.targets.truth[known.to_numpy()], list(structure.classes), structure


def write_leaks(
    folder: RunFolder,
    rows: pd.DataFrame,
    y: NDArray[Any],
    plan: Plan,
    recorder: Recorder,
    split: Split,
    images: ImageSource | None = None,
) -> None:
    """Check for leaks, write them down and say the grave ones."""
    plain = rows if images is None else rows.drop(columns=images.column)
    found: list[LeakWarning] = []
    if plan.task not in STRUCTURES:  # of masks, boxes and joints nothing but the image is told to a model
        found = check_leaks(plain, y, target=plan.target, task=plan.task, split=split)
    if images is not None:
        found += image_warnings(images, rows[images.column].astype(str).tolist(), y, split)
    _tell_leaks(folder, found, recorder)


def _tell_leaks(folder: RunFolder, found: list[LeakWarning], recorder: Recorder) -> None:
    write_json(folder.root / "leaks.json", [dataclasses.asdict(leak) for leak in found])
    for leak in found:
        if leak.severity == "high":
            recorder.note(f"Leak suspected: {leak.message}")


def class_kind(target: pd.Series) -> str:
    """Return how the delivered model must write its classes: ``bool``, ``int`` or ``str``."""
    if pd.api.types.is_bool_dtype(target):
        return "bool"
    if pd.api.types.is_numeric_dtype(target) and bool((target == target.round()).all()):
        return "int"
    return "float" if pd.api.types.is_numeric_dtype(target) else "str"


def write_json(path: Path, value: Mapping[str, Any] | list[Any]) -> None:
    """Write a JSON file, whole or not at all: what a cut of the power leaves is this file or the one before it."""
    write_durably(path, json.dumps(value, indent=1, default=str))
