"""A scripted language model that mutates programs: one random change at a time, from a seed.

It reads the present program in the prompt and answers as a model would. Its few moves include those that lead from
AdamW to Lion (a sign, a mean of two arrays, another constant); which of them are made is chance, and whether one is
good is found by training with it.
"""

import ast
import random
import re

from autoagent import ScriptedLLM
from autoagent.llm.messages import Request

from programs import ARRAYS, CALLS, operands, replaced  # isort: skip

CONSTANTS = (0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 0.1, 0.01, 0.001)
_PROGRAM = re.compile(r"^update =\n(`{3,})\w*\n(.*?)\n\1$", re.MULTILINE | re.DOTALL)


def mutator(seed: int) -> ScriptedLLM:
    """Return the model."""
    rng = random.Random(seed)

    def answer(request: Request) -> str:
        found = _PROGRAM.search(request.messages[0].content)
        if found is None:
            return '{"reasoning": "there is no program to change", "updates": {}, "no_change": "none shown"}'
        code = mutated(found[2], rng)
        return f'{{"reasoning": "one change at random", "updates": {{}}}}\n```python update\n{code}\n```'

    return ScriptedLLM([answer], loop=True, name="scripted mutations")


def mutated(source: str, rng: random.Random) -> str:
    """Return the program with one change."""
    tree = ast.parse(source)
    inside = [node for node in ast.walk(function_in(tree)) if isinstance(node, ast.expr)]
    places = [node for node in inside if is_value(node)]
    move = rng.choice(("constant", "call", "drop", "mean", "direction", "direction"))
    if move == "constant":
        old = rng.choice([node for node in places if isinstance(node, ast.Constant)] or places)
        new = ast.Constant(rng.choice(CONSTANTS))
    elif move == "direction":
        old = rng.choices(places, [len(ast.unparse(node)) for node in places])[0]  # large parts first
        mean = f"{(share := rng.choice(CONSTANTS[:5]))} * m + {1 - share:.3g} * g"
        new = ast.parse(rng.choice((mean, "m", "g", f"np.sign({mean})", f"np.tanh({mean})")), mode="eval").body
    elif move == "drop":
        old = rng.choice([node for node in places if operands(node)])
        new = rng.choice(operands(old))
    else:
        old = rng.choice(places)
        inner = ast.unparse(old)
        share = rng.choice(CONSTANTS[:5])
        mean = f"{share} * {inner} + {1 - share:.3g} * {rng.choice(ARRAYS)}"
        new = ast.parse(mean if move == "mean" else f"np.{rng.choice(CALLS)}({inner})", mode="eval").body
    return ast.unparse(replaced(tree, old, new))


def is_value(node: ast.expr) -> bool:
    """Say whether an expression is a value of the program: no docstring, no module, no target, no tuple."""
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, str)
    if isinstance(node, ast.Name):
        return node.id != "np" and isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.BinOp | ast.Call | ast.UnaryOp)


def function_in(tree: ast.Module) -> ast.FunctionDef:
    """Return the function; the parts of it are parts of the tree."""
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef))
