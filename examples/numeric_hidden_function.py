"""Two numbers through a function that the optimizer cannot read: it sees operations, values, scores. Needs no key.

`--llm URL` asks a real model, for example http://127.0.0.1:8000/v1; without it a scripted one answers.
"""

import argparse
import itertools
import json
import re

from autoagent import Float, OptoPrime, ScriptedLLM, bundle, node
from autoagent.llm.connect import connect
from autoagent.optimize import Mixed, Plan, optimize

TURNS = itertools.count()
x = node(2.0, "x", trainable=True, domain=Float(-5.0, 5.0), description="first setting of the machine")
y = node(2.0, "y", trainable=True, domain=Float(-5.0, 5.0), description="second setting of the machine")


@bundle()
def machine(x: float, y: float) -> float:
    """Return how much the machine loses with these settings."""
    return (x - 1.5) ** 2 + 2.0 * (y + 0.5) ** 2


def judge(_: object, loss: float) -> tuple[float, str]:
    """Score a run: a smaller loss is better."""
    return -loss, f"the machine lost {loss:.3f}; less is better, 0 is possible"


def scripted(messages: list[dict[str, str]]) -> str:
    """Answer as a patient model would: one setting at a time, this way and that, by less and less."""
    now = {name: float(re.search(rf"^{name} = (\S+)$", messages[0]["content"], re.MULTILINE)[1]) for name in "xy"}
    turn = next(TURNS)
    name, way, step = "xy"[turn // 2 % 2], (-1) ** (turn + 1), 0.5 ** (turn // 8)
    value = max(-5.0, min(5.0, now[name] + way * step))
    return json.dumps({"reasoning": f"see what {name} does", "updates": {name: round(value, 4)}})


options = argparse.ArgumentParser(description=__doc__)
options.add_argument("--llm", help="URL of an OpenAI-compatible server; scripted replies without it")
url = options.parse_args().llm
llm = connect(url) if url else ScriptedLLM(scripted)

for optimizer in (OptoPrime([x, y], llm, objective="Make the loss as small as you can.", memory_size=8), Mixed([x, y])):
    x.set(2.0)
    y.set(2.0)
    result = optimize(lambda _: machine(x, y), optimizer, judge=judge, plan=Plan(steps=20))
    print(
        f"{optimizer.name}: {abs(result.start_score):.3f} -> {abs(result.score):.3f} at x={x.data:.3f}, y={y.data:.3f} "
        f"after {result.num_runs} runs and {result.num_calls} calls; "
        f"replies: {llm.name if result.num_calls else 'none needed, a sampler draws'}"
    )
