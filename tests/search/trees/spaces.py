"""Trees that the tests share."""

from autoagent.search import trees
from autoagent.space import Bool, Choice, Float, Int


def finite() -> trees.Tree:
    """Return a small tree with every kind of node: (1 + 2 * 3) * (2 + 4) * 2 * 3 lists."""
    dense = trees.Block("dense", width=trees.Value(Int(1, 2)), kind="linear")
    body = trees.Repeat(dense, 1, 2)
    head = trees.Choice(mean=trees.Block("mean"), gate=trees.Block("gate", on=trees.Value(Bool())))
    skip = trees.Optional(trees.Block("skip", act=trees.Value(Choice(["relu", None]))))
    return trees.Tree(trees.Seq(body, head, skip=skip))


def with_floats() -> trees.Tree:
    """Return a tree with numbers of every scale."""
    layer = trees.Block(
        "dense", width=trees.Value(Int(4, 256, log=True)), drop=trees.Optional(trees.Value(Float(0.0, 0.5)))
    )
    rate = trees.Block("adam", rate=trees.Value(Float(1e-5, 1e-1, log=True)))
    return trees.Tree(trees.Seq(body=trees.Repeat(layer, 0, 4), optim=rate), name="model")


def recursive() -> trees.Tree:
    """Return a tree that contains itself: expressions over x, with a leaf at each end."""

    def expression() -> trees.Node:
        pair = trees.Block("add", left=expression, right=expression)
        return trees.Choice(x=trees.Block("x"), neg=trees.Block("neg", of=leaf), add=pair)

    def leaf() -> trees.Node:
        return trees.Choice(x=trees.Block("x"), add=trees.Block("add", left=leaf, right=leaf))

    return trees.Tree(expression, name="e")
