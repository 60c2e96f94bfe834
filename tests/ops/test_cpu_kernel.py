"""The C kernel: the reference bit for bit, no byte out of bounds, a build that survives races and bad folders."""

import multiprocessing
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from autoagent.errors import UserError
from autoagent.ops.kernels import build, cpu, flags, reference
from autoagent.ops.kernels.job import Job
from autoagent.ops.optim import OPS_OPTIMS
from autoagent.ops.optim.base import QuantizedOptimizer

COMPILER = shutil.which("cc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler on the path")
SIZES = (0, 1, 15, 16, 17, 255, 256, 257, 4096, 4097, 4225, 9407)
DEFINES = ("-DRULE=lion", "-DBITS=8", "-DBLOCK=256")
RULES = ("adamw", "adam", "nadamw", "sgd", "lion", "adagrad", "rmsprop", "ademamix")
VARIANTS: list[tuple[str, dict[str, object]]] = [(name, {}) for name in RULES]
VARIANTS += [("sgd", {"momentum": 0.9}), ("sgd", {"momentum": 0.9, "nesterov": True}), ("rmsprop", {"momentum": 0.5})]
VARIANTS += [("rmsprop", {"centered": True}), ("rmsprop", {"centered": True, "momentum": 0.5})]


def _make(name: str, sizes: tuple[int, ...], dtype: torch.dtype, **options: object) -> QuantizedOptimizer:
    generator = torch.Generator().manual_seed(0)
    params = [torch.nn.Parameter(torch.randn(size, generator=generator).to(dtype)) for size in sizes]
    made = OPS_OPTIMS[name].load()(params, weight_decay=0.01, min_quantized_size=16, **options)  # type: ignore[operator]
    assert isinstance(made, QuantizedOptimizer)
    return made


class _Reference:
    def run(self, jobs: list[Job]) -> None:
        for job in jobs:
            reference.run(job)


def _step(optimizer: QuantizedOptimizer, seed: int, *, bad: bool, plain: bool, wide: bool = False) -> None:
    generator = torch.Generator().manual_seed(seed)
    for param in optimizer.param_groups[0]["params"]:
        draw = torch.randn(2, *param.shape, generator=generator)
        param.grad = (draw[0] * draw[1].exp()).to(torch.float32 if wide else param.dtype)
        if bad and param.numel() > 100:
            param.grad[5], param.grad[50], param.grad[77] = torch.nan, -torch.inf, 1e30
    if plain:
        optimizer._known_states = [*map(id, optimizer.state.values())]
        optimizer._engine = _Reference()  # type: ignore[assignment]
    optimizer.step()


def _assert_same(left: QuantizedOptimizer, right: QuantizedOptimizer) -> None:
    pairs = zip(left.param_groups[0]["params"], right.param_groups[0]["params"], strict=True)
    for one, other in pairs:
        assert torch.equal(one, other)
        for key, value in left.state[one].items():
            same = right.state[other][key]
            assert torch.equal(value, same) if isinstance(value, torch.Tensor) else value == same, key


def _compare(
    name: str, options: dict[str, object], bits: int, dtype: torch.dtype, sizes: tuple[int, ...] = SIZES
) -> None:
    fast, plain = (_make(name, sizes, dtype, state_bits=bits, **options) for _ in range(2))
    for seed in range(2):
        _step(fast, seed, bad=seed == 0, plain=False)
        _step(plain, seed, bad=seed == 0, plain=True)
    _assert_same(fast, plain)


@needs_compiler
@pytest.mark.parametrize("bits", [32, 8, 4])
@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_c_gives_the_bits_of_the_reference(name: str, options: dict[str, object], bits: int) -> None:
    _compare(name, options, bits, torch.float32)


@needs_compiler
@pytest.mark.parametrize("bits", [32, 8, 4])
@pytest.mark.parametrize("name", ["sgd", "lion", "adamw", "ademamix"])  # no state, one, two, three
def test_c_gives_the_bits_of_the_reference_for_bfloat16_parameters(name: str, bits: int) -> None:
    _compare(name, {}, bits, torch.bfloat16)


@needs_compiler
@pytest.mark.parametrize("bits", [32, 8, 4])
@pytest.mark.parametrize("name", ["sgd", "lion", "adamw", "ademamix"])
def test_c_gives_the_bits_of_the_reference_for_float16_parameters(name: str, bits: int) -> None:
    _compare(name, {}, bits, torch.float16)


@needs_compiler
def test_every_float16_value_comes_back_and_a_step_rounds_as_torch() -> None:
    """Plain SGD of rate 2**-12 over all 65,536 patterns: results below, among and above the normal numbers."""
    everything = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16).view(torch.float16)
    shuffled = everything[torch.randperm(65536, generator=torch.Generator().manual_seed(0))]
    for grad in (torch.zeros_like(everything), shuffled, everything):
        param = torch.nn.Parameter(everything.clone())
        param.grad = grad.clone()
        optimizer = OPS_OPTIMS["sgd"].load()([param], lr=2.0**-12)  # type: ignore[operator]
        assert optimizer.state_report().parameters[0].kernel == "c"
        optimizer.step()
        stepped = everything.float() - grad.float() * 2.0**-12
        expected = torch.where(grad.isfinite(), stepped, everything.float()).half()
        told = ~(everything.isinf() & grad.isfinite())  # infinity times no weight decay is NaN
        torch.testing.assert_close(param.detach()[told], expected[told], rtol=0, atol=0, equal_nan=True)


@needs_compiler
@pytest.mark.parametrize("bits", [32, 8, 4])
def test_c_agrees_where_the_reference_goes_in_chunks(bits: int) -> None:
    _compare("adamw", {}, bits, torch.float32, (70003,))


@needs_compiler
@pytest.mark.parametrize(("bits", "block"), [(8, 64), (8, 2048), (4, 32), (4, 256)])
def test_other_blocks_agree_too(bits: int, block: int) -> None:
    options = {"state_bits": bits, "block_size": block, "stochastic_rounding": bits == 8}
    fast, plain = (_make("adamw", (5000, 2049), torch.float32, **options) for _ in range(2))
    for seed in range(2):
        _step(fast, seed, bad=False, plain=False)
        _step(plain, seed, bad=False, plain=True)
    _assert_same(fast, plain)


@needs_compiler
def test_the_number_of_threads_changes_nothing() -> None:
    made = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        made.append(_make("adamw", (*SIZES, 50003), torch.float32))
        for seed in range(2):
            _step(made[-1], seed, bad=False, plain=False)
    _assert_same(made[0], made[1])
    _assert_same(made[0], made[2])


SANITIZED = r"""
#include <stdio.h>
#include <stdlib.h>
#include KERNEL
int main(void) {
    const int64_t sizes[] = {1, 15, 16, 17, 127, 128, 129, 255, 256, 257, 1023, 1025,
                             4095, 4097, 4224, 4225, 4351, 9408};
    const numbers row = {{0.99f, 0.1f, 0.999f, 0.001f, 0.01f, 1e-8f}, 7u};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int form = 0; form < 6; form++) {
            const int64_t n = sizes[i];
            const int bits = form & 1 ? 32 : BITS, dtype = form >> 1;
            const int64_t codes = bits == 32 ? 4 * n : bits == 8 ? n : (n + 1) / 2;
            tensor t[2] = {{.numel = n, .bits = bits, .dtype = dtype, .stochastic = form > 1, .salt = 3u}};
            t[0].param = calloc(n, dtype ? 2 : 4), t[0].grad = calloc(n, dtype ? 2 : 4);
            for (int s = 0; s < 2; s++)
                t[0].state[s] = calloc(codes, 1), t[0].absmax[s] = calloc((n + BLOCK - 1) / BLOCK, 4);
            if (!dtype) ((float *)t[0].grad)[n - 1] = n % 2 ? NAN : 1e38f, ((float *)t[0].grad)[0] = 3e-39f;
            const int unit = bits == 32 ? WIDE_UNIT : QUANTIZED_UNIT;
            t[1].first_unit = (n + unit - 1) / unit;
            for (int step = 0; step < 3; step++) autoagent_step(t, 1, t[1].first_unit, &row, 1 + step);
            free(t[0].param), free((void *)t[0].grad);
            for (int s = 0; s < 2; s++) free(t[0].state[s]), free(t[0].absmax[s]);
        }
    puts("clean");
    return 0;
}
"""


@needs_compiler
@pytest.mark.parametrize(("bits", "block"), [(8, 256), (4, 128)])
def test_no_byte_is_touched_out_of_bounds_and_nothing_is_undefined(bits: int, block: int, tmp_path: Path) -> None:
    source, program = tmp_path / "main.c", tmp_path / "main"
    source.write_text(SANITIZED)
    defines = ["-DRULE=adamw", f"-DBITS={bits}", f"-DBLOCK={block}", f'-DKERNEL="{flags.SOURCE}"']
    sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command = [str(COMPILER), "-O1", "-g", "-std=gnu11", *sanitize, *defines, str(source), "-o", str(program), "-lm"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode and "cannot find" in made.stderr:
        pytest.skip("the compiler has no sanitizer libraries")
    assert made.returncode == 0, made.stderr
    ran = subprocess.run(
        [str(program)], capture_output=True, text=True, check=False, env={"ASAN_OPTIONS": "detect_leaks=0"}
    )
    assert (ran.returncode, ran.stdout) == (0, "clean\n"), ran.stderr


@needs_compiler
def test_racing_processes_build_one_whole_library(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        reasons = pool.map(_build_in, [str(tmp_path)] * 2)
    assert reasons == ["", ""]
    assert len(list(tmp_path.iterdir())) == 1


def _build_in(folder: str) -> str:
    return build.build([Path(folder)], defines=DEFINES).reason


@needs_compiler
def test_a_folder_that_cannot_be_used_gives_way_to_the_next(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    built = build.build([tmp_path / "file", tmp_path / "good"], defines=DEFINES)
    assert built.path is not None
    assert built.path.parent == tmp_path / "good"


@needs_compiler
def test_a_library_that_others_can_write_is_not_loaded(tmp_path: Path) -> None:
    first = build.build([tmp_path], defines=DEFINES)
    assert first.path is not None
    first.path.chmod(0o777)
    assert "written by others" in build.build([tmp_path], defines=DEFINES).reason


@needs_compiler
def test_a_kernel_that_came_with_the_wheel_is_taken_and_a_damaged_or_older_one_is_not(tmp_path: Path) -> None:
    if not flags.level_here():
        pytest.skip("no kernel is shipped for this processor")
    wanted = flags.shipped_name(flags.level_here(), "lion", 8, 256)
    made = {out.name: command for out, command in flags.shipped(str(COMPILER), tmp_path)}
    assert len(made) == len(flags.LEVELS) * len(flags.RULES) * len(flags.BLOCKS)
    assert build.shipped("lion", 8, 256, tmp_path) is None
    (tmp_path / wanted).write_bytes(b"not a library")
    assert build.shipped("lion", 8, 256, tmp_path) is None
    (tmp_path / wanted).unlink()
    subprocess.run(made[wanted], check=True)
    ready = build.shipped("lion", 8, 256, tmp_path)
    assert ready is not None
    assert ready.library is not None
    assert ready.path == tmp_path / wanted
    (tmp_path / wanted).rename(tmp_path / wanted.replace(".so", "0.so"))
    assert build.shipped("lion", 8, 256, tmp_path) is None


def test_a_compiler_that_fails_is_named(tmp_path: Path) -> None:
    built = build.build([tmp_path], defines=DEFINES, compiler=shutil.which("false"))
    assert built.library is None
    assert "false" in built.reason


def test_float64_goes_to_the_reference_and_says_so() -> None:
    rule = OPS_OPTIMS["adamw"].load()([torch.nn.Parameter(torch.ones(1))]).rule_of({})  # type: ignore[operator]
    assert "float64" in cpu.why_not(torch.ones(3, dtype=torch.float64), rule, 256)


@needs_compiler
def test_a_parameter_with_new_storage_is_followed_and_one_of_another_size_is_refused() -> None:
    param = torch.nn.Parameter(torch.ones(5000))
    optimizer = OPS_OPTIMS["adamw"].load()([param], lr=0.1)  # type: ignore[operator]
    for dtype, size in ((torch.float32, 5000), (torch.bfloat16, 5000), (torch.float32, 6000), (torch.float16, 5000)):
        param.data = torch.ones(size, dtype=dtype)
        param.grad = torch.ones(size, dtype=dtype)
        if size == 6000:
            with pytest.raises(UserError, match="another size than its states"):
                optimizer.step()
        else:
            optimizer.step()
            assert (param < 0.95).all()


@needs_compiler
def test_gradients_of_another_layout_are_brought_into_order() -> None:
    fast, plain = (torch.nn.Parameter(torch.arange(6400.0).view(80, 80)) for _ in range(2))
    grad = torch.randn(80, 80, generator=torch.Generator().manual_seed(0))
    for param, given in ((fast, grad.t().contiguous().t()), (plain, grad)):
        param.grad = given
        OPS_OPTIMS["adamw"].load()([param], lr=0.1).step()  # type: ignore[operator]
    assert torch.equal(fast, plain)


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("later", [False, True], ids=["from the first step", "from the second step"])
def test_a_gradient_with_more_bits_than_its_parameter_is_not_rounded_first(dtype: torch.dtype, later: bool) -> None:
    """``grad_dtype`` lets fp32 gradients stand at parameters of 16 bits; the reference reads them as they are."""
    if not hasattr(torch.nn.Parameter(torch.zeros(1)), "grad_dtype"):
        pytest.skip("this torch has no grad_dtype")
    fast, plain = (_make("adamw", (100, 4225), dtype, state_bits=8) for _ in range(2))
    for seed in range(3):
        wide = seed > 0 or not later
        for optimizer in (fast, plain):
            for param in optimizer.param_groups[0]["params"]:
                param.grad = None
                param.grad_dtype = torch.float32 if wide else dtype
            _step(optimizer, seed, bad=False, plain=optimizer is plain, wide=wide)
    assert fast.param_groups[0]["params"][0].grad.dtype is torch.float32
    _assert_same(fast, plain)
