"""Energy as counters of the hardware tell it: RAPL of the processors, NVML of NVIDIA GPUs; never estimated.

Both count whatever runs on the machine, not this process alone. Where no counter can be read the answer is
``None``, which a report calls "not measured".
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

JOULES_PER_WH = 3600.0
_POWERCAP = Path("/sys/class/powercap")


class Counter(Protocol):
    """A counter of energy that only grows, apart from starting again at 0 after ``wraps_at`` joules."""

    @property
    def name(self) -> str:
        """What it counts, for example ``cpu:package-0``."""

    @property
    def wraps_at(self) -> float | None:
        """Joules after which it starts again; None where it does not."""

    def joules(self) -> float | None:
        """Return its reading; None where it cannot be read."""


@dataclass(frozen=True)
class RaplCounter:
    """One processor package of Linux' powercap tree; since 2020 most systems let only root read it."""

    folder: Path

    @property
    def name(self) -> str:
        """Return ``cpu:`` and the package's own name."""
        return f"cpu:{_text(self.folder / 'name') or self.folder.name}"

    @property
    def wraps_at(self) -> float | None:
        """Return the range of the counter in joules."""
        text = _text(self.folder / "max_energy_range_uj")
        return int(text) / 1e6 if text and text.isdigit() else None

    def joules(self) -> float | None:
        """Return the package's reading; None without the right to read it."""
        text = _text(self.folder / "energy_uj")
        return int(text) / 1e6 if text and text.isdigit() else None


@dataclass(frozen=True)
class NvmlCounter:
    """One NVIDIA GPU of Volta or later, by the driver's own library."""

    library: Any
    index: int
    wraps_at: None = None

    @property
    def name(self) -> str:
        """Return ``gpu:`` and the device's index."""
        return f"gpu:{self.index}"

    def joules(self) -> float | None:
        """Return what the device has used since its driver was loaded."""
        device, millijoules = ctypes.c_void_p(), ctypes.c_ulonglong()
        if self.library.nvmlDeviceGetHandleByIndex_v2(self.index, ctypes.byref(device)) != 0:
            return None
        if self.library.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(millijoules)) != 0:
            return None
        return millijoules.value / 1000.0


@dataclass
class Energy:
    """What was used between two readings.

    Attributes:
        joules: by counter, for those that could be read at both ends.
        unread: counters that are there and could not be read.
    """

    joules: dict[str, float] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    @property
    def energy_wh(self) -> float | None:
        """Return the sum in watt-hours; None where nothing was measured."""
        return sum(self.joules.values()) / JOULES_PER_WH if self.joules else None

    def describe(self) -> str:
        """Return a sentence for a report."""
        if self.energy_wh is None:
            return "energy: not measured" + (f" (no right to read {', '.join(self.unread)})" if self.unread else "")
        return f"energy: {self.energy_wh:.4g} Wh of {', '.join(sorted(self.joules))}, the whole machine's"


def rapl_counters(root: Path = _POWERCAP) -> list[RaplCounter]:
    """Return the processor packages; their parts, and the platform around them, would count the same joules twice."""
    found = [RaplCounter(folder) for folder in sorted(root.glob("intel-rapl:*"))]
    return [counter for counter in found if counter.name.startswith("cpu:package")]


def nvml_counters() -> list[NvmlCounter]:
    """Return the NVIDIA GPUs that the driver's library knows; none where there is no such library."""
    try:
        library: Any = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return []
    return nvml_devices(library)


def nvml_devices(library: Any) -> list[NvmlCounter]:  # noqa: ANN401 - a foreign library
    """Return the devices of a loaded NVML."""
    count = ctypes.c_uint()
    if library.nvmlInit_v2() != 0 or library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
        return []
    return [NvmlCounter(library, index) for index in range(count.value)]


def counters() -> list[Counter]:
    """Return every counter of this machine."""
    return [*rapl_counters(), *nvml_counters()]


@contextmanager
def measured(sources: Sequence[Counter] | None = None) -> Iterator[Energy]:
    """Measure a block; the result is filled in when the block ends, by an exception too.

    Args:
        sources: counters; all of this machine where None. A block during which a counter wraps twice is
            under-counted by its range.
    """
    used = list(counters() if sources is None else sources)
    before = {source.name: source.joules() for source in used}
    energy = Energy()
    try:
        yield energy
    finally:
        _fill(energy, used, before)


def _fill(energy: Energy, sources: Sequence[Counter], before: Mapping[str, float | None]) -> None:
    for source in sources:
        start, end = before[source.name], source.joules()
        if start is None or end is None:
            energy.unread.append(source.name)
            continue
        wrapped = source.wraps_at if end < start else 0.0
        if wrapped is None:
            energy.unread.append(source.name)
            continue
        energy.joules[source.name] = end - start + wrapped


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None
