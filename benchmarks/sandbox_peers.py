"""Runs an attack of the suite the way a peer runs a model's code: Trace's trainable bundle, AIDE's interpreter.

Both run in a Python of their own, in a process and session of their own that is ended after a time limit.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import textwrap
from pathlib import Path

TIMEOUT_S = 30
_MARK = "the attack ended: "

_TRACE = """
import json, sys
from opto.trace import bundle
from opto.trace.errors import ExecutionError

@bundle(trainable=True)
def attack(c):
    return "the first version, before an update"

job = json.load(open(sys.argv[1]))
attack.parameter._set(job["code"])
try:
    end = attack(job["told"]).data
except ExecutionError as error:
    end = "raised " + str(error.exception_node.data).split(")")[0].lstrip("(")
print("the attack ended: " + str(end), flush=True)
"""

# The package's own __init__ imports clients of several model services and torch; the interpreter needs none of them.
_AIDE = """
import importlib.util, json, sys, types
package = types.ModuleType("aide")
package.__path__ = list(importlib.util.find_spec("aide").submodule_search_locations)
sys.modules["aide"] = package
from aide.interpreter import Interpreter

if __name__ == "__main__":
    job = json.load(open(sys.argv[1]))
    interpreter = Interpreter(job["told"]["cwd"], timeout=15)
    result = interpreter.run(job["code"])
    interpreter.cleanup_session()
    print("".join(result.term_out), flush=True)
    if result.exc_type:
        print("the attack ended: raised " + result.exc_type, flush=True)
"""


def in_trace(python: str, source: str, told: dict[str, object]) -> str:
    """Run an attack as the code parameter of a trainable bundle and return how it ended.

    Trace executes the parameter with the function's globals and separate locals, so what the source defines beside
    ``attack`` would be out of its sight: the whole source goes into one function, as a model would write it.
    """
    code = f"def attack(c):\n{textwrap.indent(source, '    ')}\n    return attack(c)\n"
    return _run(python, _TRACE, code, told)


def in_aide(python: str, source: str, told: dict[str, object]) -> str:
    """Run an attack as a script in AIDE's interpreter and return how it ended."""
    return _run(python, _AIDE, f"{source}\nprint({_MARK!r} + str(attack({told!r})))", told)


def _run(python: str, program: str, code: str, told: dict[str, object]) -> str:
    with tempfile.TemporaryDirectory(prefix="autoagent-peer-") as folder:
        script, job = Path(folder) / "program.py", Path(folder) / "job.json"
        script.write_text(program, encoding="utf-8")
        job.write_text(json.dumps({"code": code, "told": told}), encoding="utf-8")
        child = subprocess.Popen(
            [python, str(script), str(job)],
            cwd=str(told["cwd"]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            shown, errors = child.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return "timeout"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    ends = [line.removeprefix(_MARK) for line in shown.splitlines() if line.startswith(_MARK)]
    if ends:
        return ends[0].strip()
    # the program itself failed: say so, never count it as held
    return f"died with {child.returncode}: {(errors.strip().splitlines() or [''])[-1][:60]}"
