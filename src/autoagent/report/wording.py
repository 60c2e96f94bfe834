"""Write numbers, sizes and foreign text for people: rounded, with units, and with nothing invisible in them."""

from __future__ import annotations

import math
import re
import unicodedata

NONE = "–"


def visible(text: str) -> str:
    """Return ``text`` with every control, direction or invisible character spelt out; tabs and line ends stay."""
    return text if text.isprintable() else "".join(map(_seen, text))


def _seen(char: str) -> str:
    """Spell out controls, formats (but for the joiners, which scripts and emoji need), separators and surrogates."""
    if char in "\t\n\u200c\u200d" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def one_line(text: str, limit: int = 200) -> str:
    """Return ``text`` on one line, at most ``limit`` characters long."""
    return short(" ".join(visible(text).split()), limit)


def short(text: str, limit: int) -> str:
    """Return ``text`` cut to ``limit`` characters, an ellipsis at its end if it was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def number(value: float | None, digits: int = 4) -> str:
    """Return a number with a few significant digits."""
    if value is None or not math.isfinite(value):
        return NONE
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def score(value: float | None) -> str:
    """Return a score so that scores stand in a column: four decimals below ten."""
    if value is None or not math.isfinite(value):
        return NONE
    size = abs(value)
    if size and size < 1e-3:
        return f"{value:.3g}"
    return f"{value:.4f}" if size < 10 else f"{value:.2f}" if size < 10_000 else f"{value:,.0f}"


def percent(share: float | None) -> str:
    """Return a share as a percentage."""
    if share is None or not math.isfinite(share):
        return NONE
    return f"{share:.1%}" if share == 0 or abs(share) >= 0.001 else f"{share:.2g}".replace("e-0", "e-")


def duration(seconds: float | None) -> str:
    """Return a duration in the unit that reads best."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def size(num_bytes: float | None) -> str:
    """Return a size in kB or MB (powers of ten, as the limits are stated)."""
    if num_bytes is None or not math.isfinite(num_bytes):
        return NONE
    if num_bytes < 1000:
        return f"{num_bytes:.0f} bytes"
    return f"{num_bytes / 1e3:.1f} kB" if num_bytes < 1e6 else f"{num_bytes / 1e6:.2f} MB"


def dollars(amount: float | None) -> str:
    """Return an amount of US dollars; small amounts keep their digits."""
    if amount is None or not math.isfinite(amount):
        return NONE
    return f"${amount:.2f}" if amount == 0 or amount >= 0.1 else f"${amount:.4f}"


_SUFFIXES = {
    "_bytes": size,
    "_mb": lambda value: size(value * 1e6),
    "_ms": lambda value: f"{number(value, 3)} ms",
    "_s": duration,
    "_usd": dollars,
    "_wh": lambda value: f"{number(value)} Wh",
    "seconds": duration,
}


def quantity(key: str, value: object) -> str:
    """Return a value in the unit that its key ends with, for example ``constraints.model_size_mb``."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: NONE}[value]
    if not isinstance(value, int | float):
        return visible(str(value))
    for suffix, write in _SUFFIXES.items():
        if key.endswith(suffix):
            return write(float(value))
    return number(float(value))


def label(key: str) -> str:
    """Return a key as words: ``constraints.model_size_mb`` is ``model size``."""
    last = visible(key).split(".")[-1]
    words = re.sub(r"_(mb|ms|s|usd|wh|bytes)$", "", last).replace("_", " ")
    return re.sub(r"\bllm\b", "LLM", words)


def config_text(config: dict[str, object], limit: int = 400) -> str:
    """Return a configuration on one line."""
    parts = [f"{name}={number(v) if isinstance(v, float) else v}" for name, v in config.items()]
    return one_line(", ".join(parts), limit) or "library defaults"
