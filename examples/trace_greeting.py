"""A traced function, an answer that is not good enough, and where the feedback goes. Needs no key."""

from autoagent import bundle, node
from autoagent.trace import Feedback, Graph, backward, show


@bundle()
def greet(template: str, name: str) -> str:
    """Fill the greeting in."""
    return template.format(name=name)


with Graph() as graph:
    template = node("Hello {name}", "template", trainable=True, description="How to greet.")
    answer = greet(template, node("Sam", "name"))
    backward(answer, Feedback(score=0.0, text="Sam speaks Spanish; greet in Spanish."))

print(show(graph))
print("what the template hears:", template.feedback[0].text)
