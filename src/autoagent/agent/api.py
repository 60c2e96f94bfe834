"""`run`, `resume` and `load`: the whole job from Python."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from autoagent.agent.finish import read_json
from autoagent.agent.pool import Pool
from autoagent.agent.recorder import NullView, View
from autoagent.agent.search_loop import INTERRUPTED
from autoagent.agent.settings import INPUT, Settings, keep_frame, read_settings, write_settings
from autoagent.agent.sitting import Sitting, forget, raise_for_failure
from autoagent.data.readers import BUILTIN
from autoagent.errors import RunFolderError, UserError
from autoagent.forecasting import Forecaster, is_forecaster
from autoagent.inference import InputError, Model
from autoagent.llm.client import LLM
from autoagent.llm.connect import connect
from autoagent.llm.prices import Price, Priced, parse_price, price_of
from autoagent.marking import Marker, is_marker
from autoagent.runs.budget import parse_seconds
from autoagent.runs.disk import explained, sentence
from autoagent.runs.folder import RunFolder, create_run, open_run
from autoagent.runs.journal import read_events
from autoagent.runs.state import RunState, fold
from autoagent.sandbox import isolation
from autoagent.weights import Mode


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        folder: of the run.
        state: what its journal says.
    """

    folder: RunFolder
    state: RunState

    @functools.cached_property
    def model(self) -> Model:
        """The delivered model: ``predict``, ``predict_proba``, ``classes_``; of images also a `Marker`."""
        return load(self.folder.root)

    @property
    def was_interrupted(self) -> bool:
        """Ctrl+C or SIGTERM ended the search; what is delivered is the best until then."""
        return self.state.ended == INTERRUPTED

    @property
    def metric(self) -> str:
        """The metric's name."""
        return str(self._test["metric"])

    @property
    def score(self) -> float:
        """The metric on the sealed test rows, as people read it."""
        return float(self._test["score"])

    @property
    def interval(self) -> tuple[float, float] | None:
        """The bootstrap 95 % interval of ``score``; None where too few rows were tested for one."""
        found = self._test["interval"]
        return None if found is None else (float(found[0]), float(found[1]))

    @property
    def validation(self) -> float:
        """The metric by which the model was chosen, out of fold."""
        return float(self._test["validation"])

    @property
    def limits(self) -> list[dict[str, object]]:
        """Each stated limit with what was measured."""
        rows: list[dict[str, object]] = read_json(self.folder.root / "export.json").get("limits", [])
        return rows

    @property
    def report(self) -> Path:
        """The report."""
        return self.folder.report

    @property
    def _test(self) -> dict[str, Any]:
        if self.state.test is None:
            raise RunFolderError(f"{self.folder.root} has no test result yet; resume the run")
        return dict(self.state.test)


def run(  # noqa: PLR0913 - the options of the command line, all but two keyword-only
    data: str | Path | pd.DataFrame,
    request: str,
    *,
    llm: str | LLM = "none",
    seed: int = 0,
    out: str | Path = "runs",
    budget: str | float | None = None,
    max_trials: int | None = None,
    max_cost: float | None = None,
    price: str | None = None,
    workers: int | None = None,
    sampler: str = "agent",
    repeats: bool = False,
    archive: str | Path | None = None,
    code: bool = False,
    weights: Mode = "cache",
    view: View | None = None,
    began: float | None = None,
    pool: Pool | None = None,
) -> Result:
    """Build, measure and deliver a model.

    Args:
        data: a built-in name, a path or a DataFrame.
        request: what is wanted, in a sentence.
        llm: ``"none"``, ``"openai:MODEL"``, a base URL, or a client such as ``ScriptedLLM``.
        seed: of everything random.
        out: where run folders are made.
        budget: wall time, for example ``"10m"``; the shorter of this and the request's holds.
        max_trials: how many trials; without any time limit the run is reproducible to the last bit.
        max_cost: dollars for the language model; its price must be known then.
        price: of its tokens, ``"PROMPT:COMPLETION"`` in US dollars per million; a server on this machine is free.
        workers: processes that fit models; one per core unless told.
        sampler: name in ``autoagent list samplers``.
        repeats: cross-validate the best trials again, with other folds, once no trial gains more than noise.
        archive: folder of earlier runs, whose best configurations on similar data are tried early; not reproducible
            unless that folder stays as it is.
        code: let the language model write augmentations and loss weights; they are run in the sandbox and kept only
            where the validation rows say so (docs/code-mode.md).
        weights: published weights that families may start from: ``"none"``, those on this machine (``"cache"``), or
            also those of the hub (``"hub"``); nothing is loaded from the network unless it says so (docs/text.md).
        view: shows progress.
        began: ``time.monotonic()`` at which the budget began, for a caller that counts its own start; None is now.
        pool: worker processes that start already, for the same caller; closed at the end.

    Raises:
        UserError: the request or the data must change; nothing was spent.
        TrialFailed: no trial gave a model.
        KeyboardInterrupt: stopped before there was a model; afterwards Ctrl+C delivers the best so far.
    """
    settings = Settings(
        data=_source(data),
        llm=llm if isinstance(llm, str) else "object",
        seed=seed,
        budget_s=None if budget is None else parse_seconds(budget),
        max_trials=max_trials,
        max_cost_usd=max_cost,
        price=price,
        workers=workers,
        sampler=sampler,
        repeats=repeats,
        archive=None if archive is None else str(archive),
        code=code,
        weights=weights,
    )
    client = connect(llm, price=_stated(settings)) if isinstance(llm, str) else llm
    _check_cap(client, settings)
    _check_code(client, settings)
    folder = create_run(Path(out), request)
    try:
        with explained(folder.root):
            write_settings(folder, settings, request)
            if isinstance(data, pd.DataFrame):
                keep_frame(folder, data)
        return _sit(Sitting(folder, settings, request, client, view or NullView(), began=began, pool=pool))
    except (UserError, KeyboardInterrupt) as stop:
        planned = folder.journal.exists() and fold(read_events(folder.journal)).planned
        if not planned:
            forget(folder)
            if isinstance(stop, RunFolderError) and isinstance(stop.__cause__, OSError):
                raise RunFolderError(sentence(stop.__cause__, None)) from stop
        if isinstance(stop, KeyboardInterrupt):
            how = f"go on with: autoagent resume {folder.root}" if planned else "nothing was kept"
            raise KeyboardInterrupt(f"Stopped before there was a model; {how}") from None
        raise


def resume(run: str | Path, *, llm: str | LLM | None = None, view: View | None = None) -> Result:
    """Go on with an interrupted run: finished trials are kept, unfinished ones are run again.

    Args:
        run: its folder.
        llm: a client for a run that was given one as an object; otherwise what the run was started with.
        view: shows progress.

    Raises:
        RunFolderError: there is no such run, or another process works on it.
    """
    folder = open_run(run)
    settings, request = read_settings(folder)
    wanted = llm if llm is not None else settings.llm
    client: LLM | None = None
    if wanted != "object":
        client = connect(wanted, price=_stated(settings)) if isinstance(wanted, str) else wanted
    return _sit(Sitting(folder, settings, request, client, view or NullView()))


def load(path: str | Path) -> Model:
    """Load the model of a run folder or of a delivered ``model/`` folder.

    Raises:
        RunFolderError: there is no model, or a file of it is missing or was changed since delivery.
    """
    root = Path(path)
    folder = root if (root / "model.json").is_file() else root / "model"
    if not (folder / "model.json").is_file():
        raise RunFolderError(f"{str(path)!r} holds no model; give a run folder or its model folder")
    try:
        model = Model.load(folder)
        if is_forecaster(model.facts):
            return Forecaster.load(folder)
        return Marker.load(folder) if is_marker(model.facts) else model
    except InputError as error:
        raise RunFolderError(str(error)) from error


def _sit(sitting: Sitting) -> Result:
    state = sitting.run()
    raise_for_failure(state)
    return Result(sitting.folder, state)


def _stated(settings: Settings) -> Price | None:
    return None if settings.price is None else parse_price(settings.price)


def _check_cap(client: LLM | None, settings: Settings) -> None:
    """Refuse a dollar limit that could not be kept, before anything is spent."""
    if settings.max_cost_usd is None or client is None:
        return
    price = client.price if isinstance(client, Priced) else price_of(client.name)
    if price is None:
        raise UserError(
            f"the price of {client.name!r} is unknown, so a limit of {settings.max_cost_usd:g} dollars could not be "
            "kept; state it with --price PROMPT:COMPLETION (US dollars per million tokens), or drop --max-cost"
        )


def _check_code(client: LLM | None, settings: Settings) -> None:
    """Refuse code mode where nobody would write the code, or nothing would contain it."""
    if settings.code and client is None:
        raise UserError("code mode needs a language model that writes the code; give --llm, or leave --code out")
    if settings.code and isolation().level == "none":
        raise UserError(
            f"code that a model wrote cannot be contained on this machine ({isolation()}); leave --code out"
        )


def _source(data: str | Path | pd.DataFrame) -> str:
    if isinstance(data, pd.DataFrame):
        return INPUT
    return str(data) if str(data) in BUILTIN and not Path(data).exists() else str(Path(data).absolute())
