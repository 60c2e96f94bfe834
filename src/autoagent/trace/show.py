"""The graph as text and as one self-contained SVG."""

from __future__ import annotations

from html import escape

from autoagent.trace.graph import Graph
from autoagent.trace.nodes import Node
from autoagent.trace.problem import arguments

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 190, 46, 26, 46
_FILL = {"node": "#eef3fb", "trainable": "#fdf3d8", "exception": "#fbe3e3", "operation": "#e9f5ec"}


def show(graph: Graph | Node) -> str:
    """Return one line for each node: its name, what made it, and its value."""
    return "\n".join(_line(here) for here in _nodes(graph))


def to_svg(graph: Graph | Node) -> str:
    """Return the graph as SVG, inputs at the top; hover a box for its whole value."""
    every = _nodes(graph)
    used = {id(parent) for here in every for parent in here.parents}
    nodes = [here for here in every if here.operator or here.trainable or id(here) in used]
    places = _places(nodes)
    columns = max((x for x, _ in places.values()), default=0) + 1
    rows = max((y for _, y in places.values()), default=0) + 1
    width, height = columns * (_WIDTH + _GAP_X) + _GAP_X, rows * (_HEIGHT + _GAP_Y) + _GAP_Y
    parts = [_edge(places[id(p)], places[id(n)]) for n in nodes for p in n.parents if id(p) in places]
    parts += [_box(here, places[id(here)]) for here in nodes]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">'
    return f'{head}<g font-family="system-ui,sans-serif" font-size="12">{"".join(parts)}</g></svg>'


def _line(here: Node) -> str:
    given = [text if label in ("", text) else f"{label}={text}" for label, text in arguments(here, lambda n: n.name)]
    made = f" = {here.operator}({', '.join(given)})" if here.operator else ""
    return f"{here.name}{made}: {_short(here, 100)}{' [trainable]' if here.trainable else ''}"


def _nodes(graph: Graph | Node) -> list[Node]:
    if isinstance(graph, Graph):
        return graph.nodes()
    order, waiting, seen = [], [(graph, False)], set[int]()
    while waiting:
        here, opened = waiting.pop()
        if opened:
            order.append(here)
        elif id(here) not in seen:
            seen.add(id(here))
            waiting.append((here, True))
            waiting.extend((parent, False) for parent in reversed(here.parents))
    return order


def _places(nodes: list[Node]) -> dict[int, tuple[int, int]]:
    depth: dict[int, int] = {}
    for here in nodes:
        depth[id(here)] = max((depth[id(p)] + 1 for p in here.parents if id(p) in depth), default=0)
    filled: dict[int, int] = {}
    places = {}
    for here in nodes:
        row = depth[id(here)]
        places[id(here)] = (filled.get(row, 0), row)
        filled[row] = filled.get(row, 0) + 1
    return places


def _corner(place: tuple[int, int]) -> tuple[int, int]:
    return _GAP_X + place[0] * (_WIDTH + _GAP_X), _GAP_Y // 2 + place[1] * (_HEIGHT + _GAP_Y)


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    (x1, y1), (x2, y2) = _corner(start), _corner(end)
    x1, y1, x2 = x1 + _WIDTH // 2, y1 + _HEIGHT, x2 + _WIDTH // 2
    middle = (y1 + y2) // 2
    return f'<path d="M{x1} {y1}C{x1} {middle} {x2} {middle} {x2} {y2}" fill="none" stroke="#8794a8"/>'


def _box(here: Node, place: tuple[int, int]) -> str:
    x, y = _corner(place)
    kind = (
        "trainable" if here.trainable else here.kind if here.kind == "exception" or not here.operator else "operation"
    )
    title = escape(f"{here.name}: {here.description}\n{_short(here, 1500)}")
    return (
        f'<g><title>{title}</title><rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" '
        f'fill="{_FILL[kind]}" stroke="#5b6b82"/><text x="{x + 9}" y="{y + 19}" fill="#16202e" font-weight="600">'
        f'{escape(here.name[:25])}</text><text x="{x + 9}" y="{y + 36}" fill="#3b4a5e">'
        f"{escape(_short(here, 27))}</text></g>"
    )


def _short(here: Node, most: int) -> str:
    text = str(here.to_json()["value"])
    return text if len(text) <= most else text[: most - 1] + "…"
