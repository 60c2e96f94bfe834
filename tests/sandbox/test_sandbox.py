"""What ``Sandbox.call`` gives back, raises and keeps."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from autoagent.errors import (
    DomainError,
    SandboxCrash,
    SandboxError,
    SandboxMemory,
    SandboxTimeout,
    SandboxViolation,
    UserError,
)
from autoagent.sandbox import Isolation, Limits, Sandbox, isolation, selftest, wall

if not sys.platform.startswith("linux") and not hasattr(os, "fork"):
    pytest.skip("needs fork", allow_module_level=True)
LIMITS = Limits(timeout_s=4.0, memory_bytes=256 << 20, output_bytes=1000)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(LIMITS, allow_unsandboxed=True) as made:
        yield made


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -3,
        2**80,
        1.5,
        float("inf"),
        "é\n\0",
        [1, [2, {"a": None}]],
        (1, (2,)),
        {"$array": 3, "x": 1},
        {1: "a", None: 2},
        {},
    ],
)
def test_data_passes_both_ways_unchanged(sandbox: Sandbox, value: object) -> None:
    assert sandbox.call("def f(x): return x", "f", value) == value


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.array([], dtype="int8"),
        np.array(["a", "bé"]),
        np.array(["2020-01-01"], dtype="datetime64[ns]"),
        np.array([True, False]),
        np.array(3.0),
        np.array([np.nan]),
    ],
)
def test_arrays_pass_both_ways_unchanged(sandbox: Sandbox, array: np.ndarray) -> None:
    back = sandbox.call("def f(x): return x", "f", array)
    np.testing.assert_array_equal(back, array)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)


def test_tables_pass_without_their_index(sandbox: Sandbox) -> None:
    table = pd.DataFrame(
        {"n": [1, 2], "t": ["a", None], "d": pd.to_datetime(["2020-01-01", "2021-01-01"])}, index=[5, 9]
    )
    source = "import pandas as pd\ndef f(t):\n    t['twice'] = t['n'] * 2\n    return t"
    back = sandbox.call(source, "f", table)
    assert list(back.columns) == ["n", "t", "d", "twice"]
    assert back["twice"].tolist() == [2, 4]
    assert back["t"].isna().tolist() == [False, True]
    assert back["d"].tolist() == table["d"].tolist()


def test_an_argument_that_is_not_data_is_the_users_to_mend(sandbox: Sandbox) -> None:
    with pytest.raises(UserError, match=r"'f'.*object is not data"):
        sandbox.call("def f(x): return x", "f", object())


def test_an_error_of_the_code_says_type_message_and_line(sandbox: Sandbox) -> None:
    source = "def g(x):\n    return 1 / x\n\ndef f(x):\n    print('seen')\n    return g(x)\n"
    with pytest.raises(SandboxError, match="f raised ZeroDivisionError: division by zero\n") as caught:
        sandbox.call(source, "f", 0)
    assert "\n-->    2 |     return 1 / x\n" in str(caught.value)
    assert (caught.value.kind, caught.value.line, caught.value.stdout) == ("ZeroDivisionError", 2, "seen\n")


def test_a_syntax_error_is_an_error_of_the_code(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="SyntaxError") as caught:
        sandbox.call("def f(:\n", "f")
    assert caught.value.line == 1


def test_a_function_that_is_not_there_is_an_error_of_the_code(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="KeyError: 'f'"):
        sandbox.call("def g(): pass", "f")


def test_output_is_capped_and_cannot_act_on_a_terminal(sandbox: Sandbox) -> None:
    source = (
        "import sys\ndef f():\n    sys.stderr.write('\\x1b[2J' + 'y' * 5000)\n    raise ValueError('\\x1b]0;x\\x07')"
    )
    with pytest.raises(SandboxError) as caught:
        sandbox.call(source, "f")
    assert caught.value.stderr.startswith("\\x1b[2J")
    assert caught.value.stderr.endswith("[4004 more bytes were dropped]")
    assert "\x1b" not in caught.value.stderr + str(caught.value) + caught.value.detail
    assert "\x07" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("while True: pass", SandboxTimeout),
        ("return len(bytearray(1 << 31))", SandboxMemory),
        ("import os; os.kill(os.getpid(), 9)", SandboxCrash),
        ("return print", SandboxViolation),
    ],
)
def test_each_way_to_fail_has_its_error(sandbox: Sandbox, body: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="f "):
        sandbox.call(f"def f():\n    {body}", "f")
    assert sandbox.call("def f(): return 1", "f") == 1


def test_nothing_of_a_call_is_seen_by_the_next(sandbox: Sandbox) -> None:
    leave = "import builtins, json, os\ndef f():\n    builtins.seen = json.seen = 1\n    open('left', 'w').close()\n"
    sandbox.call(leave, "f")
    look = (
        "import builtins, json, os\ndef f(): return [hasattr(builtins, 'seen'), hasattr(json, 'seen'), os.listdir('.')]"
    )
    assert sandbox.call(look, "f") == [False, False, []]


def test_the_same_call_gives_the_same_random_numbers(sandbox: Sandbox) -> None:
    source = (
        "import random\nimport numpy as np\ndef f(): return [random.random(), np.random.rand(), list({'a', 'b', 'c'})]"
    )
    assert sandbox.call(source, "f") == sandbox.call(source, "f")


def test_threads_may_call_at_once_and_a_worker_outlives_the_thread_that_started_it(sandbox: Sandbox) -> None:
    results: list[object] = []

    def work(number: int) -> None:
        results.append(sandbox.call("def f(x): return x * x", "f", number))

    for _ in range(2):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(map(str, results)) == sorted(map(str, [0, 1, 4] * 2))


def test_closing_leaves_no_process_and_no_folder() -> None:
    sandbox = Sandbox(LIMITS, allow_unsandboxed=True)
    folder = Path(sandbox.call("import os\ndef f(): return os.getcwd()", "f")).parent
    assert folder.is_dir()
    assert processes_of(folder)
    sandbox.close()
    assert not folder.exists()
    end = time.monotonic() + 10
    while (left := processes_of(folder)) and time.monotonic() < end:
        time.sleep(0.01)  # one that was waiting for work sees that nobody is left to give any
    assert left == []


def processes_of(folder: Path) -> list[int]:
    """Return the processes of a worker, those that lost their parent too: the folder is in their command line."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if str(folder) in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


def test_a_process_that_waits_for_work_is_replaced_when_it_dies() -> None:
    with Sandbox(LIMITS, allow_unsandboxed=True) as sandbox:
        folder = Path(sandbox.call("import os\ndef f(): return os.getcwd()", "f")).parent
        end = time.monotonic() + 10
        while len(list(folder.iterdir())) != 1 and time.monotonic() < end:
            time.sleep(0.01)
        waiting = max(processes_of(folder))
        os.kill(waiting, signal.SIGKILL)
        with contextlib.suppress(SandboxCrash):  # the wall may count the dead one among the processes for a while
            assert sandbox.call("def f(): return 1", "f") == 1
        assert sandbox.call("def f(): return 1", "f") == 1


def test_packages_load_between_calls_and_tables_pass_within_the_limit_of_memory() -> None:
    table = pd.DataFrame({"a": np.arange(10.0), "b": list("abcdefghij")})
    with Sandbox(allow_unsandboxed=True) as sandbox:
        assert [sandbox.call("def f(x): return x", "f", i) for i in range(3)] == [0, 1, 2]
        assert sandbox.call("import numpy as np\ndef f(x): return x + 1", "f", np.arange(3)).tolist() == [1, 2, 3]
        for _ in range(3):
            back = sandbox.call("import pandas as pd\ndef f(t): return t", "f", table)
            pd.testing.assert_frame_equal(back, table)


def test_each_call_has_a_folder_and_a_process_of_its_own() -> None:
    source = "import os\ndef f(): return [os.getcwd(), os.getpid(), os.listdir('.')]"
    with Sandbox(LIMITS, allow_unsandboxed=True) as sandbox:
        calls = [sandbox.call(source, "f") for _ in range(3)]
    assert len({folder for folder, _, _ in calls}) == len({pid for _, pid, _ in calls}) == 3
    assert [files for _, _, files in calls] == [[], [], []]


def test_what_is_named_readable_can_be_read_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "table").write_text("rows")
    with Sandbox(LIMITS, allow_unsandboxed=True, readable=(str(tmp_path),)) as sandbox:
        assert sandbox.call("def f(p): return open(p).read()", "f", str(tmp_path / "table")) == "rows"
        if isolation().level == "full":
            with pytest.raises(SandboxViolation, match="PermissionError"):
                sandbox.call("def f(p): open(p, 'w')", "f", str(tmp_path / "table"))


def test_processes_are_let_through_only_when_asked() -> None:
    source = "import os\ndef f():\n    p = os.fork()\n    if p == 0: os._exit(0)\n    return os.waitpid(p, 0)[1]"
    with Sandbox(Limits(timeout_s=5.0, processes=True), allow_unsandboxed=True) as sandbox:
        assert sandbox.call(source, "f") == 0
        thread = "import threading\ndef f():\n    t = threading.Thread(target=int)\n    t.start()\n    return t.join()"
        assert sandbox.call(thread, "f") is None
    if isolation().level == "full":
        with Sandbox(LIMITS) as sandbox, pytest.raises(SandboxViolation, match="BlockingIOError"):
            sandbox.call(source, "f")


def running() -> dict[int, str]:
    """Return the command line of every process; a zombie's is empty."""
    lines = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit():
                lines[int(entry.name)] = (entry / "cmdline").read_text(errors="replace")
    return lines


@pytest.mark.skipif(isolation().level != "full", reason="no full isolation here")
def test_what_daemons_a_call_starts_end_with_it() -> None:
    source = """
import os, time
def f():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in range(256):
                try: os.close(fd)
                except OSError: pass
            time.sleep(500)
        os._exit(0)
    time.sleep(0.2)
    return 1
"""
    with Sandbox(Limits(timeout_s=5.25, processes=True)) as sandbox:  # a number by which its processes are known
        before = running()
        assert sandbox.call(source, "f") == 1
        assert [
            name for pid, name in running().items() if pid not in before and "zygote" in name and "5.25" in name
        ] == []


def test_limits_must_be_possible() -> None:
    with pytest.raises(DomainError, match="timeout_s=0"):
        Limits(timeout_s=0)
    with pytest.raises(DomainError, match="open_files=3"):
        Limits(open_files=3)


def test_without_a_wall_the_level_is_none_and_it_must_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wall, "sandlock_is_usable", lambda: False)
    found = selftest.examine.__wrapped__()
    assert found.level == "none"
    assert found.facts["files cannot be read"] is False
    assert "files cannot be read" in str(found)
    monkeypatch.setattr("autoagent.sandbox.sandbox.isolation", lambda: found)
    with pytest.raises(UserError, match=r"accept the risk with Sandbox\(allow_unsandboxed=True\)"):
        Sandbox(LIMITS).call("def f(): return 1", "f")
    with Sandbox(LIMITS, allow_unsandboxed=True) as sandbox:
        assert sandbox.call("def f(): return 1", "f") == 1
        with pytest.raises(SandboxTimeout):
            sandbox.call("def f():\n    while True: pass", "f")


def test_to_examine_a_machine_without_a_wall_stops_nobody() -> None:
    told = (
        "from autoagent.sandbox import selftest, wall\n"
        "wall.sandlock_is_usable = lambda: False\n"
        "print({selftest.examine.__wrapped__().level for _ in range(8)})"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "{'none'}"


def test_a_level_is_named_by_what_failed() -> None:
    essential = {"files cannot be read": True, "files cannot be written": True, "no network": True}
    assert selftest._level({**essential, "no signal to others": True}) == "full"
    assert selftest._level({**essential, "no signal to others": False}) == "partial"
    assert selftest._level({**essential, "no network": False}) == "none"
    assert "not held here: no network" in str(Isolation("none", {**essential, "no network": False}))


def test_a_score_is_computed_by_the_parent_on_rows_that_the_child_never_saw(sandbox: Sandbox) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = rng.integers(0, 2, 200)
    liar = "import numpy as np\ndef f(X, y, X_new):\n    print('accuracy: 0.99')\n    return np.ones(len(X_new), int)"
    predictions = sandbox.call(liar, "f", X[:100], y[:100], X[100:])
    assert float(np.mean(predictions == y[100:])) == float(np.mean(y[100:] == 1))
