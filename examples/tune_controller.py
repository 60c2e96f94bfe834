"""A traffic light with two whole numbers: a wandering model must not cost what an earlier proposal had won.

The notebook of Trace that tunes such a controller ends 4.7 times worse than the best it had seen, for it keeps the last
proposal. Here a proposal that is worse is remembered and not built upon, and the best so far is what stays. Days of
traffic are instances: some to learn from, others sealed for the paired interval at the end. Needs no key.
`--llm URL` asks a real model; without it a scripted one wanders, and the sampler of `Mixed` needs none at all.
"""

import argparse
import json
import random

from autoagent import Int, OptoPrime, ScriptedLLM, bundle, node
from autoagent.llm.connect import connect
from autoagent.optimize import Mixed, Plan, Split, optimize

START = 60
GREEN = Int(5, 90)
WANDERING = [(70, 50), (45, 45), (40, 20), (25, 35), (20, 55), (15, 70), (60, 30), (15, 60), (80, 20), (10, 80)]

main_road = node(START, "main_road", trainable=True, domain=GREEN, description="seconds of green for the main road")
side_road = node(START, "side_road", trainable=True, domain=GREEN, description="seconds of green for the side road")


@bundle()
def simulate(main_road: int, side_road: int, day: int) -> float:
    """Return the mean waiting time of a car in seconds, in half an hour of a simulated day at one crossing."""
    rng = random.Random(day)
    arriving = (0.22 + 0.06 * rng.random(), 0.07 + 0.04 * rng.random())  # cars per second
    queues, waited, cars = [0, 0], 0, 0
    for second in range(1800):
        place = second % (main_road + side_road + 10)  # five seconds of red for all after each green
        is_green = place < main_road, main_road + 5 <= place < main_road + 5 + side_road
        for road in (0, 1):
            comes = rng.random() < arriving[road]
            cars += comes
            leaves = is_green[road] and second % 2 == 0 and queues[road] > 0
            queues[road] += comes - leaves
        waited += sum(queues)
    return waited / max(1, cars)


def judge(day: int, waiting: float) -> tuple[float, str]:
    """Score a run: less waiting is better."""
    return -waiting, f"day {day}: a car waited {waiting:.1f} s on average; less is better"


options = argparse.ArgumentParser(description=__doc__)
options.add_argument("--llm", help="URL of an OpenAI-compatible server; scripted replies without it")
url = options.parse_args().llm
updates = [{"main_road": main, "side_road": side} for main, side in WANDERING]
llm = connect(url) if url else ScriptedLLM([json.dumps({"reasoning": "let us see", "updates": row}) for row in updates])

days = Split(train=[1, 2, 3, 4], test=[11, 12, 13, 14, 15, 16, 17, 18])
wanderer = OptoPrime([main_road, side_road], llm, objective="Let cars wait as little as possible.")
for optimizer, at_once in ((wanderer, 1), (Mixed([main_road, side_road]), 2)):
    main_road.set(START)
    side_road.set(START)
    plan = Plan(steps=10, candidates=at_once)
    result = optimize(lambda day: simulate(main_road, side_road, day), optimizer, days, judge=judge, plan=plan)
    last, gain = result.history[-1], result.test_difference
    print(f"{optimizer.name}, replies: {llm.name if optimizer is wanderer else 'none needed, a sampler draws'}")
    print(f"  waiting: {-result.start_score:.1f} s -> {-result.score:.1f} s at {main_road.data} and {side_road.data} s")
    print(f"  keeping the last proposal would have left {last.outcome.score / result.score:.1f} times the best")
    print(f"  sealed days: it fell by {gain.mean:.1f} s, paired 95 % interval [{gain.low:.1f}, {gain.high:.1f}]")
    print(f"  {result.num_runs} runs, {result.num_calls} calls; {result.stopped}")
