"""Programs as values: abstract execution over kinds and ranges, cleaning, and the parts that a change can take away.

A program is one function of numpy in straight lines. Executing it on abstract values (an array or a number, and the
range that it lies in) finds shape errors without running it, gives equal expressions one number, and shows what nothing
depends on: dead statements, redundant ones, and states that only feed themselves. What is written back is canonical.
"""

import ast
import math
import operator
from collections.abc import Iterator

from autoagent.errors import DomainError

ADAMW = '''import numpy as np


def update(w, g, m, v, step, lr):
    """Return the change of w and the next m and v, from the gradient g; steps count from 1."""
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g * g
    m_hat = m / (1 - 0.9**step)
    v_hat = v / (1 - 0.999**step)
    direction = m_hat / (np.sqrt(v_hat) + 1e-8)
    return -lr * (direction + 0.01 * w), m, v
'''
HEAD = "\n".join(ADAMW.split("\n")[:5])
ARRAYS, NUMBERS = ("w", "g", "m", "v"), ("step", "lr")
CALLS = ("sign", "sqrt", "abs", "tanh", "exp", "square")
SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
DOING = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow}
EVERYTHING = (-math.inf, math.inf)
Range = tuple[float, float]


class Values:
    """Numbers expressions, so that equal ones have one number, and knows kind and range of each."""

    def __init__(self) -> None:
        self.parts: list[tuple] = []
        self.ranges: list[Range] = []
        self.is_array: list[bool] = []
        self._known: dict[tuple, int] = {}

    def leaf(self, what: str | float) -> int:
        """Return the number of a name or a constant."""
        if isinstance(what, str):
            reach = {"step": (1.0, math.inf), "lr": (1e-12, 1.0)}.get(what, EVERYTHING)
            return self._number(("name", what), reach, is_array=what in ARRAYS)
        if not math.isfinite(what):
            raise DomainError("a constant of the program is not finite")
        return self._number(("constant", float(what)), (float(what), float(what)), is_array=False)

    def of(self, sign: str, *given: int) -> int:
        """Return the number of an operation, after what the ranges and simple algebra allow."""
        same = self._simpler(sign, given)
        if same is not None:
            return same
        given = tuple(sorted(given)) if sign in "+*" and sign != "**" else given
        return self._number((sign, *given), self._range(sign, given), is_array=any(self.is_array[n] for n in given))

    def constant(self, number: int) -> float | None:
        """Return the value of a constant, None for anything else."""
        part = self.parts[number]
        return part[1] if part[0] == "constant" else None

    def leaves(self, number: int) -> set[str]:
        """Return the names that a value depends on."""
        part = self.parts[number]
        if part[0] in ("name", "constant"):
            return {part[1]} if part[0] == "name" else set()
        return set().union(*map(self.leaves, part[1:]))

    def _number(self, part: tuple, reach: Range, *, is_array: bool) -> int:
        if part not in self._known:
            self._known[part] = len(self.parts)
            self.parts.append(part)
            self.ranges.append(reach)
            self.is_array.append(is_array)
        return self._known[part]

    def _simpler(self, sign: str, given: tuple[int, ...]) -> int | None:
        fixed = [self.constant(number) for number in given]
        if sign in DOING and None not in fixed:
            try:
                return self.leaf(float(DOING[sign](*fixed)))
            except (ArithmeticError, TypeError) as error:  # TypeError: a root of a negative number is complex
                raise DomainError(f"{fixed[0]} {sign} {fixed[1]} has no value: {error}") from error
        first = given[0]
        if sign in "-/**" and fixed[-1] == (0.0 if sign == "-" else 1.0) and len(given) == 2:
            return first
        if sign in ("+", "*") and (neutral := 0.0 if sign == "+" else 1.0) in fixed:
            return given[1 - fixed.index(neutral)]
        if sign == "sign":
            return self._simpler_sign(first)
        return first if sign == "abs" and self.ranges[first][0] >= 0 else None

    def _simpler_sign(self, number: int) -> int | None:
        """Return the sign of a value without factors that are positive for sure."""
        part = self.parts[number]
        if part[0] in ("*", "/"):
            for place in (2, 1) if part[0] == "*" else (2,):
                if self.ranges[part[place]][0] > 0:
                    return self.of("sign", part[3 - place])
        return number if part[0] == "sign" else None

    def _range(self, sign: str, given: tuple[int, ...]) -> Range:
        (low, high), last = self.ranges[given[0]], self.ranges[given[-1]]
        match sign:
            case "+":
                return low + last[0], high + last[1]
            case "-":
                return low - last[1], high - last[0]
            case "*" if given[0] == given[1]:
                return 0.0, math.inf
            case "*":
                corners = [0.0 if 0.0 in (a, b) else a * b for a in (low, high) for b in last]
                return min(corners), max(corners)
            case "/" if low >= 0 and last[0] > 0:
                return 0.0 if math.isinf(last[1]) else low / last[1], high / last[0]
            case "**" if 0 < low == high < 1 and last[0] >= 0:
                return 0.0, low ** last[0]
            case "**" if last == (2.0, 2.0):
                return 0.0, math.inf
            case "sqrt" | "abs" | "exp" | "square":
                return 0.0, math.inf
            case "sign" | "tanh":
                return -1.0, 1.0
        return EVERYTHING


def cleaned(source: str) -> str:
    """Return the program in canonical form, without what is dead or redundant.

    Raises:
        DomainError: it is outside of the small language, or its kinds do not fit.
    """
    values = Values()
    change, *states = executed(source, values)
    if not all(values.is_array[number] for number in (change, *states)):
        raise DomainError("the change of w, m and v must be arrays of the shape of w, not single numbers")
    return written(values, change, dict(zip("mv", without_idle(values, change, states), strict=True)))


def executed(source: str, values: Values) -> list[int]:
    """Run the program on abstract values; return the numbers of what it returns."""
    body = function_of(source).body
    held = {name: values.leaf(name) for name in (*ARRAYS, *NUMBERS)}

    def value(node: ast.expr) -> int:
        match node:
            case ast.Name(id=name) if name in held:
                return held[name]
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return values.leaf(float(number))
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return values.of("*", values.leaf(-1.0), value(inner))
            case ast.BinOp(op=sign) if type(sign) in SIGNS:
                return values.of(SIGNS[type(sign)], value(node.left), value(node.right))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="np"), attr=name), args=[inner], keywords=[]):
                if name in CALLS:
                    return values.of(name, value(inner))
        raise DomainError(f"{ast.unparse(node)!r:.80} is not in the language: + - * / **, np.{', np.'.join(CALLS)}")

    for line in body:
        match line:
            case ast.Assign(targets=[ast.Name(id=name)]):
                held[name] = value(line.value)
            case ast.Return(value=ast.Tuple(elts=[_, _, _] as outputs)):
                return [value(output) for output in outputs]
            case ast.Expr(value=ast.Constant(value=str())):
                continue
            case _:
                raise DomainError(f"{ast.unparse(line)!r:.80} is neither `name = ...` nor `return change, m, v`")
    raise DomainError("the program returns nothing")


def without_idle(values: Values, change: int, states: list[int]) -> list[int]:
    """Return the states; one that neither the change nor a state that matters depends on stays as it is."""
    matters, before = values.leaves(change) & set("mv"), set()
    while matters != before:
        before = set(matters)
        for name in before:
            matters |= values.leaves(states["mv".index(name)]) & set("mv")
    return [number if name in matters else values.leaf(name) for name, number in zip("mv", states, strict=True)]


def written(values: Values, change: int, states: dict[str, int]) -> str:
    """Return the source: what is used twice gets a name, everything else stands where it is used."""
    uses: dict[int, int] = {}
    order: list[int] = []

    def count(number: int) -> None:
        uses[number] = uses.get(number, 0) + 1
        if uses[number] == 1 and values.parts[number][0] not in ("name", "constant"):
            for inner in values.parts[number][1:]:
                count(inner)
            order.append(number)

    for number in (*states.values(), change):
        count(number)
    names: dict[int, str] = {}

    def text(number: int) -> str:
        sign, *inner = values.parts[number]
        if number in names or sign in ("name", "constant"):
            return names.get(number) or (inner[0] if sign == "name" else repr(inner[0]).removesuffix(".0"))
        shown = [text(part) for part in inner]
        return f"({shown[0]} {sign} {shown[1]})" if sign in DOING else f"np.{sign}({shown[0]})"

    lines = []
    for number in order:
        if uses[number] > 1:
            held = next((f"new_{name}" for name, kept in states.items() if kept == number), f"part_{len(lines)}")
            lines.append(f"{held} = {text(number)}")
            names[number] = held
    lines.append(f"return {text(change)}, {', '.join(text(number) for number in states.values())}")
    return HEAD + "\n" + "\n".join("    " + ast.unparse(ast.parse(line).body[0]) for line in lines) + "\n"


def function_of(source: str) -> ast.FunctionDef:
    """Return the function of a program.

    Raises:
        DomainError: there is not exactly one.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise DomainError(f"it does not parse: {error.msg}") from error
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    if len(found) != 1 or any(not isinstance(node, ast.FunctionDef | ast.Import) for node in tree.body):
        raise DomainError("a program is `import numpy as np` and one function `update`")
    return found[0]


def form(source: str) -> str:
    """Say of what known form a rule is: by what its change takes the sign of, and what it keeps."""
    values = Values()
    change, new_m, _ = executed(source, values)
    inside = [
        part[1] for number, part in enumerate(values.parts) if part[0] == "sign" and number in below(values, change)
    ]
    if len(inside) != 1 or "v" in values.leaves(change):
        return "no form with a name"
    read = values.leaves(inside[0])
    if read == {"m", "g"} == values.leaves(new_m):
        return "sign of the momentum (Signum)" if inside[0] == new_m else "Lion: the sign of one mean, another one kept"
    return "sign of the gradient (signSGD)" if read == {"g"} else "no form with a name"


def below(values: Values, number: int) -> set[int]:
    """Return a value and all that it is made of."""
    part = values.parts[number]
    inner = () if part[0] in ("name", "constant") else part[1:]
    return {number}.union(*(below(values, here) for here in inner))


def num_operations(source: str) -> int:
    """Return how many operations a program makes."""
    return sum(isinstance(node, ast.BinOp | ast.Call | ast.UnaryOp) for node in ast.walk(function_of(source)))


def smaller(source: str) -> Iterator[str]:
    """Yield the programs in which one operation is replaced by one of its operands."""
    count = len(list(ast.walk(function_of(source))))
    for place in range(count):
        for side in (0, 1):
            tree = ast.parse(source)
            node = list(ast.walk(next(n for n in tree.body if isinstance(n, ast.FunctionDef))))[place]
            inner = operands(node)
            if side < len(inner):
                yield ast.unparse(replaced(tree, node, inner[side]))


def operands(node: ast.AST) -> list[ast.expr]:
    """Return what an operation is made of."""
    match node:
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.Call(args=args):
            return list(args)
        case ast.UnaryOp(operand=inner):
            return [inner]
    return []


def replaced(tree: ast.Module, old: ast.AST, new: ast.expr) -> ast.Module:
    """Return the tree with a node replaced."""

    class Swap(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return new if node is old else self.generic_visit(node)

    return ast.fix_missing_locations(Swap().visit(tree))
