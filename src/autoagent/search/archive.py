"""What earlier runs on similar data found, as configurations to try early: evidence from run folders, not a guess.

Only validation scores are read. A run on the same data is left out whole: its division into folds and test may differ,
so its best configuration may know the rows of this run's test.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoagent.errors import AutoAgentError, RunFolderError
from autoagent.runs.folder import RunFolder
from autoagent.runs.journal import read_events
from autoagent.runs.state import TrialRecord, fold
from autoagent.space import Config, Space

_FAR = 1.5  # runs on data that is farther away say nothing
_NEAREST = 3
_MOST = 2  # configurations of the archive in a run, so that evidence which misleads costs no more trials
_GAIN = 1.0  # standard errors by which a configuration must have beaten its family's default
_SHARED = 0.8  # of the narrower table's columns: the same data, with columns left out or added
_NEEDED = {"task", "n_rows", "columns", "target", "target_summary"}  # keys of a data card that are compared


@dataclass(frozen=True)
class Earlier:
    """One earlier run.

    Attributes:
        name: of its folder.
        card: its data card.
        trials: those that ended, with their validation scores.
    """

    name: str
    card: Mapping[str, Any]
    trials: Sequence[TrialRecord]


@dataclass(frozen=True)
class Known:
    """A configuration that was better than the default on similar data.

    Attributes:
        family: of models.
        config: of it, legal.
        run: where it was found.
        distance: of that run's data from these.
        gain: over the family's default there, in standard errors of the folds.
    """

    family: str
    config: Config
    run: str
    distance: float
    gain: float


def read_archive(folder: Path) -> list[Earlier]:
    """Return the runs below a folder, or the one that it is, with a data card and ended trials.

    Damaged ones are passed over.
    """
    found = []
    for path in sorted([*folder.glob("card.json"), *folder.glob("*/card.json")]):
        run = RunFolder(path.parent)
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
            trials = fold(read_events(run.journal)).history()
        except (OSError, ValueError, AutoAgentError):
            continue
        if trials and isinstance(card, dict) and card.keys() >= _NEEDED:
            found.append(Earlier(path.parent.name, card, trials))
    return found


def known_starts(
    card: Mapping[str, Any], folder: str, spaces: Mapping[str, Space], reasons: list[str]
) -> dict[str, Config]:
    """Return by family what the runs below a folder found on similar data, and add to the reasons where it is from.

    Raises:
        RunFolderError: there is no such folder.
    """
    if not Path(folder).is_dir():
        raise RunFolderError(
            f"no folder of earlier runs at {folder!r}; name one, such as 'runs', or leave the archive out"
        )
    archive = read_archive(Path(folder))
    found = warm_starts(card, archive, spaces)
    reasons += [f"{one.family} tries early what was best in {one.run}, on similar data" for one in found]
    if not found:
        others = sum(not is_same(card, run.card) for run in archive)
        reasons.append(f"{folder} says nothing: none of its runs on other data ({others}) is near and has a clear gain")
    return {one.family: one.config for one in found}


def with_known(portfolio: tuple[Config, ...], known: Config | None) -> tuple[Config, ...]:
    """Return a portfolio in which what earlier runs found comes after the default."""
    return portfolio if known is None else (*(portfolio or ({},))[:1], known, *portfolio[1:])


def warm_starts(card: Mapping[str, Any], archive: Sequence[Earlier], spaces: Mapping[str, Space]) -> list[Known]:
    """Return at most two configurations that were clearly better than the default on the nearest data.

    Args:
        card: of the data now.
        archive: earlier runs.
        spaces: of the families that will be searched.
    """
    near = sorted((distance(card, run.card), run.name, run) for run in archive if not is_same(card, run.card))
    found: dict[str, Known] = {}
    for away, _, run in near[:_NEAREST]:
        if away > _FAR:
            break
        for name, space in spaces.items():
            known = _best_of(run, name, space, away)
            if known is not None and (name not in found or _weight(known) > _weight(found[name])):
                found[name] = known
    return sorted(found.values(), key=lambda known: (-_weight(known), known.family))[:_MOST]


def distance(first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    """Return how unlike two tables are by their cards; infinite if they are of other kinds.

    A tenfold number of rows or of columns counts 1, and so do twice as many classes by half, all columns being
    categories where none are, and a share of 0.5 more of the commonest class.
    """
    if first["task"] != second["task"] or bool(first.get("image_side")) != bool(second.get("image_side")):
        return math.inf
    gaps = [abs(a - b) for a, b in zip(_traits(first), _traits(second), strict=True)]
    return float(sum(gaps))


def is_same(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Say whether two cards are of the same data, or of parts of it: the same target and four fifths of the columns.

    Folders of images all have the same columns; they are other data only where they share no class.
    """
    classes = [set(card["target_summary"]) for card in (first, second)]
    if first.get("image_side") and second.get("image_side") and all(classes) and first["task"] != "regression":
        return not classes[0].isdisjoint(classes[1])
    names = [{str(column["name"]) for column in card["columns"]} for card in (first, second)]
    shared = len(names[0] & names[1])
    return first["target"] == second["target"] and shared >= _SHARED * min(len(names[0]), len(names[1]))


def _traits(card: Mapping[str, Any]) -> tuple[float, ...]:
    used = [column for column in card["columns"] if column["role"] not in ("target", "id", "constant")]
    rows, width = max(int(card["n_rows"]), 1), max(len(used), 1)
    categories = sum(column["role"] == "categorical" for column in used) / width
    missing = sum(int(column["n_missing"]) for column in used) / (rows * width)
    shares = list(card["target_summary"].values()) if card["task"] != "regression" else [1.0]
    commonest = 2.0 * max(shares, default=1.0) if card["task"] != "regression" else 0.0
    return math.log10(rows), math.log10(width), categories, missing, math.log2(max(len(shares), 1)) / 2, commonest


def _best_of(run: Earlier, family: str, space: Space, away: float) -> Known | None:
    """Return a family's best trial of a run, if it was clearly better than the default and is legal still."""
    whole = [trial for trial in run.trials if trial.family == family and trial.is_whole and trial.repeats is None]
    default = next((trial for trial in whole if trial.source == "default"), None)
    if default is None:
        return None
    best = max(whole, key=lambda trial: -math.inf if trial.score is None else trial.score)
    gain = ((best.score or 0.0) - (default.score or 0.0)) / max(_standard_error(best, default), 1e-12)
    try:
        config = space.check(best.config)
    except AutoAgentError:
        return None
    return Known(family, config, run.name, away, gain) if best is not default and gain > _GAIN else None


def _standard_error(best: TrialRecord, default: TrialRecord) -> float:
    """Return the standard error of the difference by folds; a hundredth of the score where it cannot be told."""
    gaps = [a - b for a, b in zip(best.fold_scores, default.fold_scores, strict=False)]
    if len(gaps) < 2:
        return 0.01 * abs(default.score or 1.0)
    return statistics.stdev(gaps) / math.sqrt(len(gaps))


def _weight(known: Known) -> float:
    return min(known.gain, 10.0) * math.exp(-known.distance)
