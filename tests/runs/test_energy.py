"""Energy counters: a tree like powercap's, a library like NVML, and a machine that has neither."""

import ctypes
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from autoagent.runs.energy import Energy, measured, nvml_devices, rapl_counters


def _package(root: Path, folder_name: str, uj: int | None, name: str = "package-0") -> Path:
    folder = root / folder_name
    folder.mkdir()
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text("10000000\n")
    if uj is not None:
        (folder / "energy_uj").write_text(f"{uj}\n")
    return folder


@dataclass
class FakeNvml:
    """Two devices, of which the second is too old to count."""

    mj: int = 5_000_000
    init: int = 0
    asked: list[int] = field(default_factory=list)

    def nvmlInit_v2(self) -> int:  # noqa: N802 - the library's names
        return self.init

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        count._obj.value = 2
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, device: Any) -> int:  # noqa: N802
        device._obj.value = index + 1
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, device: ctypes.c_void_p, mj: Any) -> int:  # noqa: N802
        if device.value == 2:
            return 3  # NVML_ERROR_NOT_SUPPORTED
        mj._obj.value = self.mj
        return 0


def test_the_difference_of_a_package_is_counted_and_its_parts_and_the_platform_are_not(tmp_path: Path) -> None:
    folder = _package(tmp_path, "intel-rapl:0", 1_000_000)
    _package(tmp_path, "intel-rapl:0:0", 1_000_000, "core")
    _package(tmp_path, "intel-rapl:1", 1_000_000, "psys")
    with measured(rapl_counters(tmp_path)) as energy:
        (folder / "energy_uj").write_text("8200000\n")
    assert energy.joules == {"cpu:package-0": pytest.approx(7.2)}
    assert energy.energy_wh == pytest.approx(0.002)
    assert "0.002 Wh of cpu:package-0" in energy.describe()


def test_a_counter_that_wrapped_is_mended(tmp_path: Path) -> None:
    folder = _package(tmp_path, "intel-rapl:0", 9_000_000)
    with measured(rapl_counters(tmp_path)) as energy:
        (folder / "energy_uj").write_text("500000\n")
    assert energy.joules == {"cpu:package-0": pytest.approx(1.5)}


def test_what_cannot_be_read_is_not_measured_and_named(tmp_path: Path) -> None:
    _package(tmp_path, "intel-rapl:0", None)
    with measured(rapl_counters(tmp_path)) as energy:
        pass
    assert energy.energy_wh is None
    assert energy.describe() == "energy: not measured (no right to read cpu:package-0)"


def test_a_machine_without_counters_says_not_measured(tmp_path: Path) -> None:
    with measured(rapl_counters(tmp_path)) as energy:
        pass
    assert energy == Energy()
    assert energy.describe() == "energy: not measured"


def test_it_is_filled_when_the_block_fails_too(tmp_path: Path) -> None:
    _package(tmp_path, "intel-rapl:0", 1_000_000)
    with pytest.raises(KeyError), measured(rapl_counters(tmp_path)) as energy:
        raise KeyError
    assert energy.joules == {"cpu:package-0": 0.0}


def test_a_gpu_counts_in_millijoules_and_one_that_cannot_is_named() -> None:
    library = FakeNvml()
    with measured(nvml_devices(library)) as energy:
        library.mj += 7_200_000
    assert energy.joules == {"gpu:0": pytest.approx(7200.0)}
    assert energy.unread == ["gpu:1"]
    assert energy.energy_wh == pytest.approx(2.0)


def test_a_library_that_does_not_start_has_no_devices() -> None:
    assert nvml_devices(FakeNvml(init=9)) == []


def test_this_machine_can_be_asked() -> None:
    with measured() as energy:
        pass
    assert energy.energy_wh is None or energy.energy_wh >= 0.0
