"""The Optuna study on disk: any Optuna tool reads it."""

from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from autoagent.runs.state import TrialRecord
from autoagent.search.trials_log import STUDY_NAME, TrialsLog
from autoagent.space import Float, Int, Param, Space

SPACES = {"linear": Space({"C": Param(Float(0.1, 10.0), 1.0)}), "knn": Space({"k": Param(Int(1, 9), 5)})}
TRIALS = [
    TrialRecord(0, "linear", {"C": 1.0}, "default", "ok", 0.8, (0.7, 0.9)),
    TrialRecord(1, "knn", {"k": 3}, "llm", "pruned", None, (0.4,)),
    TrialRecord(2, "knn", {"k": 4}, "llm", "memory", None, ()),
]


def test_optuna_reads_the_trials_and_a_resumed_run_writes_them_anew(tmp_path: Path) -> None:
    path = tmp_path / "trials.log"
    log = TrialsLog(path, SPACES)
    for trial in TRIALS:
        log.add(trial)
    (tmp_path / "trials.log.lock").touch()  # left by a kill
    with path.open("a") as file:
        file.write('{"torn')
    TrialsLog(path, SPACES, TRIALS[:2]).add(TRIALS[2])
    study = optuna.load_study(study_name=STUDY_NAME, storage=JournalStorage(JournalFileBackend(str(path))))
    assert [trial.user_attrs["status"] for trial in study.trials] == ["ok", "pruned", "memory"]
    assert study.best_trial.params == {"family": "linear", "linear.C": 1.0}
