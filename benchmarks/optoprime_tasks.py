"""Small tasks for optimizers of traced programs, as plain functions: numbers, instructions, and code."""

# ruff: noqa: ANN401 - nodes of two libraries

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Judge = Callable[[Any], tuple[float, str]]


@dataclass(frozen=True)
class Setting:
    """A trainable value: what it begins with, what it is for, and its bounds if it is a number."""

    value: Any
    about: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Task:
    """A task in plain functions; ``flow(operations, settings)`` runs it on the nodes of either package.

    Attributes:
        objective: for the model.
        settings: name -> trainable value.
        inputs: name -> value that stays.
        functions: the operations, which the model cannot read.
        learned: a function whose source is trainable.
        flow: from the wrapped operations and the nodes to the output's node.
        judge: from the output to a score, higher is better, and words.
        enough: the score at which a run ends.
        raised: the score of a run that raises.
    """

    objective: str
    settings: dict[str, Setting]
    functions: Sequence[Callable[..., Any]]
    flow: Callable[[dict[str, Any], dict[str, Any]], Any]
    judge: Judge
    enough: float
    inputs: dict[str, Any] = field(default_factory=dict)
    learned: Callable[..., Any] | None = None
    raised: float = 0.0


def numeric(seed: int) -> Task:
    """Two settings of a plant with hidden constants; words say which reading is too high or too low."""
    draw = random.Random(f"numeric-{seed}")
    gain, offset = draw.choice([0.5, 0.8, 1.25, 1.5]), draw.randint(-20, 20)
    heating, cooling = draw.choice([0.6, 0.75, 1.2, 2.0]), draw.choice([0.25, 0.4, 0.5])
    wanted = [draw.randint(15, 85), draw.randint(15, 85)]
    start = [draw.randint(5, 95), draw.randint(5, 95)]

    def pressure(valve: float) -> float:
        """Read the pressure at a setting of the valve."""
        return round(gain * valve + offset, 3)

    def temperature(heat: float, pressure: float) -> float:
        """Read the temperature at a setting of the heater and a pressure."""
        return round(heating * heat - cooling * pressure + 20, 3)

    def readings(pressure: float, temperature: float) -> list[float]:
        """List the pressure and the temperature."""
        return [pressure, temperature]

    goal = pressure(wanted[0]), temperature(wanted[1], pressure(wanted[0]))

    def judge(found: list[float]) -> tuple[float, str]:
        gaps = [here - there for here, there in zip(found, goal, strict=True)]
        off = round(sum(map(abs, gaps)), 2)
        words = [f"the {name} is {_height(gap)}" for name, gap in zip(("pressure", "temperature"), gaps, strict=True)]
        return -off, f"{words[0]}, {words[1]}; both together are off by {off:g}, and 0 is possible"

    about = "the {}'s setting, from 0 to 100"
    names = ("valve", "heat")
    return Task(
        "Set the valve and the heater so that both readings are right: the less they are off, the better.",
        {name: Setting(float(at), about.format(name), 0.0, 100.0) for name, at in zip(names, start, strict=True)},
        (pressure, temperature, readings),
        _plant,
        judge,
        enough=-0.1,
    )


def _plant(do: dict[str, Any], at: dict[str, Any]) -> Any:
    here = do["pressure"](at["valve"])
    return do["readings"](here, do["temperature"](at["heat"], here))


def _height(gap: float) -> str:
    size = "far " if abs(gap) > 15 else "" if abs(gap) > 3 else "a little "
    return f"{size}too {'high' if gap > 0 else 'low'}" if abs(gap) > 0.05 else "right"


FACTS = {
    "customer name": r"\bname",
    "order number": r"\border (number|no|id)|\border#",
    "product": r"\bproduct|\bitem|\bgoods",
    "delivery date": r"\bdate|\bdelivery day",
    "amount": r"\bamount|\bprice|\bsum\b|\bcost",
    "phone number": r"\bphone",
}
MANNERS = {
    "apology": (r"\bapolog|\bsorry|\bregret", "We apologise for the trouble."),
    "thanks": (r"\bthank|\bgratitude|\bgrateful", "Thank you for writing to us."),
    "refund": (r"\brefund|\bmoney back|\breimburse", "You will get a refund."),
    "signature": (r"\bsign|\bteam", "Your shop team"),
}
READ_WORDS = 60
_NO = r"(?:do not|don't|must not|not|never|no|without|omit|avoid|exclude|excluding|leave out|skip)\b"
_NOT = re.compile(rf"\W*(?:and |but )?{_NO}")
_CLAUSE = re.compile(rf"[.;:!?()]| but |\W+(?=(?:and )?{_NO})")
_PEOPLE = ["Ada Lund", "Ben Moor", "Cleo Voss", "Dan Reed", "Eva Holm", "Finn Berg"]
_GOODS = ["lamp", "kettle", "desk", "clock", "radio", "chair"]


def _names(instruction: str, pattern: str) -> bool:
    """Say whether an instruction, as far as it is read, asks for something rather than forbids it."""
    read = " ".join(str(instruction).lower().split()[:READ_WORDS])
    return any(re.search(pattern, part) and not _NOT.match(part) for part in _CLAUSE.split(read))


def prompt(seed: int) -> Task:
    """Two instructions to a rule-following worker, at different depths, that share the letters as an input."""
    draw = random.Random(f"prompt-{seed}")
    facts = draw.sample([name for name in FACTS if name != "phone number"], 3)
    manners = draw.sample(list(MANNERS), 2)
    letters = []
    for person, goods in zip(draw.sample(_PEOPLE, 3), draw.sample(_GOODS, 3), strict=True):
        values = (
            person,
            f"N{draw.randint(100, 999)}",
            goods,
            f"{draw.randint(1, 28)} May",
            f"{draw.randint(9, 99)} EUR",
        )
        letters.append(dict(zip(FACTS, (*values, f"555-{draw.randint(100, 999)}"), strict=True)))
    first = draw.choice(["Read the letters and take notes.", "Summarise what each customer wants."])
    second = draw.choice(
        ["Answer politely. Give the phone number.", "Write a short reply that repeats the phone number."]
    )

    def take_notes(instruction: str, letters: list[dict[str, str]]) -> list[str]:
        """Let the worker note those facts of each letter that the instruction names; it reads 60 words of it."""
        asked = [name for name, pattern in FACTS.items() if _names(instruction, pattern)]
        return ["; ".join(f"{name}: {letter[name]}" for name in asked) or "a letter came" for letter in letters]

    def sort_notes(notes: list[str], letters: list[dict[str, str]]) -> list[str]:
        """Put the number of its letter before each note."""
        return [f"{place}. {note}" for place, note in enumerate(notes, 1)]

    def write_replies(instruction: str, notes: list[str], letters: list[dict[str, str]]) -> list[str]:
        """Let the worker write replies from the notes, with what the instruction names; it reads 60 words of it."""
        said = [line for pattern, line in MANNERS.values() if _names(instruction, pattern)]
        asked = [name for name, pattern in FACTS.items() if _names(instruction, pattern)]
        rows = [
            [f"{name}: {row[name]}." for name in asked if row[name] in note]
            for note, row in zip(notes, letters, strict=True)
        ]
        return [" ".join([*row, *said]) or "We got your letter." for row in rows]

    def check_replies(replies: list[str], letters: list[dict[str, str]]) -> list[str]:
        """Take out blanks at the ends of the replies."""
        return [reply.strip() for reply in replies]

    def judge(replies: list[str]) -> tuple[float, str]:
        faults, passed, total = [], 0, 0
        for place, (reply, letter) in enumerate(zip(replies, letters, strict=True), 1):
            wrong = [f"must give the {name}" for name in facts if letter[name] not in reply]
            wrong += [f"must hold: {name}" for name in manners if MANNERS[name][1] not in reply]
            wrong += ["must not give the phone number"] if letter["phone number"] in reply else []
            passed, total = passed + 6 - len(wrong), total + 6
            faults += [f"reply {place} {fault}" for fault in wrong[(place - 1) % 2 :][:1]]
        return round(passed / total, 4), "\n".join(faults) or "every reply is right"

    return Task(
        "Every reply must pass the checker; of each reply it reports at most one fault at a time.",
        {
            "note_instruction": Setting(first, "instruction to the worker that reads the letters"),
            "reply_instruction": Setting(second, "instruction to the worker that writes the replies"),
        },
        (take_notes, sort_notes, write_replies, check_replies),
        _office,
        judge,
        enough=1.0,
        inputs={"letters": letters},
    )


def _office(do: dict[str, Any], at: dict[str, Any]) -> Any:
    notes = do["sort_notes"](do["take_notes"](at["note_instruction"], at["letters"]), at["letters"])
    return do["check_replies"](do["write_replies"](at["reply_instruction"], notes, at["letters"]), at["letters"])


DESKS = {
    "reading": {"order number": r"\border number", "amount": r"\bamount", "delivery date": r"\bdelivery date"},
    "register": {"branch": r"\bbranch", "warranty": r"\bwarranty", "stock": r"\bstock"},
    "decision": {"refund": r"\brefund", "repair": r"\brepair", "voucher": r"\bvoucher"},
    "writing": {"apology": r"\bapolog", "thanks": r"\bthank", "signature": r"\bsign"},
}


def desks(seed: int) -> Task:
    """Four instructions whose names and first texts say nothing: only the operations tell which desk reads which."""
    draw = random.Random(f"desks-{seed}")
    counts = dict(zip(DESKS, (2, 1, 1, 2), strict=True))
    wanted = [word for desk, count in counts.items() for word in draw.sample(list(DESKS[desk]), count)]
    letters = [f"letter {draw.randint(100, 999)}" for _ in range(3)]
    names = [f"instruction_{place}" for place in "abcd"]
    order = draw.sample(names, 4)

    def work(desk: str, instruction: str, notes: list[str]) -> list[str]:
        own = [word for word, pattern in DESKS[desk].items() if _names(instruction, pattern)]
        foreign = [p for other, words in DESKS.items() if other != desk for p in words.values()]
        refused = any(_names(instruction, pattern) for pattern in foreign)
        return notes if refused else ["; ".join([note, *own]) for note in notes]

    def read_letters(instruction: str, letters: list[str]) -> list[str]:
        """Note what the instruction names: order number, amount, delivery date. Refuses if it names others' work."""
        return work("reading", instruction, letters)

    def ask_register(instruction: str, notes: list[str], letters: list[str]) -> list[str]:
        """Add what the instruction names: branch, warranty, stock. Refuses if it names others' work."""
        return work("register", instruction, notes)

    def decide(instruction: str, notes: list[str], letters: list[str]) -> list[str]:
        """Add what the instruction names: refund, repair, voucher. Refuses if it names others' work."""
        return work("decision", instruction, notes)

    def write(instruction: str, notes: list[str], letters: list[str]) -> list[str]:
        """Add what the instruction names: apology, thanks, signature. Refuses if it names others' work."""
        return work("writing", instruction, notes)

    def pass_on(notes: list[str], letters: list[str]) -> list[str]:
        """Pass the notes on, one for each letter."""
        return [note.strip() for note in notes]

    def flow(do: dict[str, Any], at: dict[str, Any]) -> Any:
        here = do["pass_on"](do["read_letters"](at[order[0]], at["letters"]), at["letters"])
        for name, work_of in zip(order[1:], ("ask_register", "decide", "write"), strict=True):
            here = do["pass_on"](do[work_of](at[name], here, at["letters"]), at["letters"])
        return here

    def judge(replies: list[str]) -> tuple[float, str]:
        faults, passed = [], 0
        for place, reply in enumerate(replies):
            said = reply.split("; ")[1:]
            wrong = [f"lacks: {word}" for word in wanted if word not in said]
            passed += len(wanted) - len(wrong)
            if wrong:
                faults.append(f"reply {place + 1} {wrong[2 * place % len(wrong)]}")
        return round(passed / (3 * len(wanted)), 4), "\n".join(faults) or "every reply is right"

    return Task(
        "Every reply must pass the checker; of each reply it reports at most one fault at a time.",
        {name: Setting("Do your part.", "instruction to one desk") for name in order},
        (read_letters, ask_register, decide, write, pass_on),
        flow,
        judge,
        enough=1.0,
        inputs={"letters": letters},
    )


def fee(kilograms: int, kilometres: int, is_member: bool) -> int:
    """Return the fee of a parcel in cents.

    There is a base fee, a price for each kilogram above some weight, and a price for each started hundred kilometres.
    Members pay some per cent less, rounded down.
    """
    return 0


def collect(*fees: Any) -> list[Any]:
    """List the fees."""
    return list(fees)


def code(seed: int) -> Task:
    """A function with hidden constants, from failing tests."""
    draw = random.Random(f"code-{seed}")
    base, price, limit = draw.randrange(150, 600, 10), draw.randrange(30, 120, 5), draw.randint(2, 6)
    distance, discount = draw.randrange(20, 90, 5), draw.choice([5, 10, 12, 15, 20])
    rows = [(draw.randint(1, 15), draw.randint(1, 900), draw.random() < 0.5) for _ in range(12)]

    def right(kilograms: int, kilometres: int, is_member: bool) -> int:
        whole = base + price * max(0, kilograms - limit) + distance * -(-kilometres // 100)
        return whole * (100 - discount) // 100 if is_member else whole

    def flow(do: dict[str, Any], at: dict[str, Any]) -> Any:
        return do["collect"](*(do["fee"](*row) for row in rows))

    def judge(found: list[Any]) -> tuple[float, str]:
        wrong = [
            f"fee{row} must be {right(*row)}, not {value}"
            for row, value in zip(rows, found, strict=True)
            if value != right(*row)
        ]
        words = [*wrong[:6], f"{len(wrong)} of {len(rows)} tests fail"] if wrong else ["all tests pass"]
        return round(1 - len(wrong) / len(rows), 4), "\n".join(words)

    return Task("Every test must pass.", {}, (collect,), flow, judge, enough=1.0, learned=fee)


TASKS: dict[str, Callable[[int], Task]] = {"numeric": numeric, "prompt": prompt, "code": code, "desks": desks}
