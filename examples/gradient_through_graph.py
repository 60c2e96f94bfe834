"""Gradient descent through the traced graph: derivatives as propagators give torch's losses, digit for digit.

The same model is trained twice, by torch and through our graph. Needs no key; torch is only the judge.
"""

from collections.abc import Sequence

from autoagent import node
from autoagent.trace import Node, ParameterNode, propagate

POINTS = [(-1.0, 0.0), (0.5, 1.5), (2.0, 4.5)]
RATE, STEPS = 0.05, 10


def total(messages: Sequence[float]) -> float:
    """Add up what the users of a node sent, in the order in which they sent it."""
    gradient = messages[0]
    for message in messages[1:]:
        gradient = gradient + message
    return gradient


def operands(made: Node) -> tuple[float, float]:
    left, right = (given.data if isinstance(given, Node) else given for given in made.inputs)
    return left, right


def to_parents(made: Node, left: float, right: float) -> list[float]:
    """Return one message for each parent; plain numbers get none, and x * x sends both parts to x."""
    if made.inputs[0] is made.inputs[1]:
        return [left + right]
    return [part for part, given in zip((left, right), made.inputs, strict=True) if isinstance(given, Node)]


def add(made: Node, messages: Sequence[float]) -> list[float]:
    gradient = total(messages)
    return to_parents(made, gradient, gradient)


def subtract(made: Node, messages: Sequence[float]) -> list[float]:
    gradient = total(messages)
    return to_parents(made, gradient, -gradient)


def multiply(made: Node, messages: Sequence[float]) -> list[float]:
    gradient, (left, right) = total(messages), operands(made)
    return to_parents(made, gradient * right, gradient * left)


def divide(made: Node, messages: Sequence[float]) -> list[float]:
    gradient, (left, right) = total(messages), operands(made)
    return to_parents(made, gradient / right, -gradient * ((left / right) / right))


DERIVATIVES = {"add": add, "subtract": subtract, "multiply": multiply, "divide": divide}


def loss_of(slope, offset):
    """Return the mean squared error; the same lines run on our nodes and on torch's tensors."""
    summed = 0.0
    for x, y in POINTS:
        error = slope * x + offset - y
        summed = summed + error * error
    return summed / len(POINTS)


def through_the_graph() -> list[float]:
    slope, offset = node(0.0, "slope", trainable=True), node(0.0, "offset", trainable=True)
    losses = []
    for _ in range(STEPS):
        loss = loss_of(slope, offset)
        losses.append(loss.data)
        heard = propagate(loss, 1.0, DERIVATIVES)
        for parameter in (slope, offset):
            assert isinstance(parameter, ParameterNode)
            parameter.set(parameter.data - RATE * total(heard[parameter]))
    return losses


def with_torch() -> list[float]:
    import torch

    slope, offset = (torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(2))
    losses = []
    for _ in range(STEPS):
        loss = loss_of(slope, offset)
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, (slope, offset))
        with torch.no_grad():  # not torch.optim.SGD: its step fuses multiplication and addition, and rounds once less
            for parameter, gradient in zip((slope, offset), gradients, strict=True):
                parameter.copy_(parameter - RATE * gradient)
    return losses


if __name__ == "__main__":
    ours, theirs = through_the_graph(), with_torch()
    for step, (left, right) in enumerate(zip(ours, theirs, strict=True)):
        print(f"step {step}: graph {left!r}, torch {right!r}")
    print("equal to the last bit:", ours == theirs)
