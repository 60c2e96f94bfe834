"""A greeting agent learns from one sentence of feedback, with the calls that users of Trace know. Needs no key.

`--llm URL` asks a real model, for example http://127.0.0.1:8000/v1; without it a scripted one answers.
"""

import argparse

from autoagent import OptoPrime, ScriptedLLM, bundle, node
from autoagent.llm.connect import connect
from autoagent.trace import ExecutionError, Feedback, show

REPLIES = [
    '{"reasoning": "Sam wants Spanish.", "updates": {"template": "Hola, {nombre}"}}',  # it will not run
    '{"reasoning": "The field is called name.", "updates": {"template": "Hola, {name}"}}',
]
options = argparse.ArgumentParser(description=__doc__)
options.add_argument("--llm", help="URL of an OpenAI-compatible server; scripted replies without it")
url = options.parse_args().llm
llm = connect(url) if url else ScriptedLLM(REPLIES)

# The agent, its judge and its optimizer, in 15 lines.
template = node("Hello {name}", "template", trainable=True, description="How to greet; {name} is filled in.")


@bundle()
def greet(template: str, name: str) -> str:
    """Fill the name into the template."""
    return template.format(name=name)


optimizer = OptoPrime([template], llm, objective="Greet Sam in the language that Sam speaks.", target=1.0)
for num_runs in range(1, 5):
    try:
        answer = greet(template, "Sam")
    except ExecutionError as error:
        answer = error.exception_node
    is_right = "hola" in answer.data.lower() and "Sam" in answer.data
    optimizer.zero_feedback()
    optimizer.backward(answer, Feedback(float(is_right), "good" if is_right else "Greet Sam in Spanish"))
    print(f"run {num_runs}: {answer.data!r} ->", (step := optimizer.step()).status, step.message)

print(show(answer))
print(f"'Hello {{name}}' -> {template.data!r} after {num_runs} runs, {optimizer.num_calls} calls; replies: {llm.name}")
