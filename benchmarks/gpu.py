"""What a GPU brings: the network alone, the recognition of many streams at once, and the whole route.

    python -m benchmarks.gpu [film.mp4] [--json FILE]

The network runs in batches of 1, 8 and 64, in 32 and 16 bits, as it is, with its inputs and outputs bound to
device memory (IOBinding) and as a CUDA graph; on the CPU beside it, and on TensorRT where that is installed.
Ends with exit code 2 and one line where ONNX Runtime has no CUDA that works. The 16-bit form needs the
package `onnx` (the `train` extra).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from realtime.api import load_recognizer
from realtime.bench.environment import environment
from realtime.bundle import load_bundle
from realtime.cli import main as glimpse
from realtime.errors import DeviceError
from realtime.features.spec import FACE_SIZE
from realtime.inference import CnnSession, load_runtime
from realtime.types import F32, KeyFrameEvidence

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
BATCHES = (1, 8, 64)
WAYS = ("plain", "bound", "graph")
_WARM_UP = 10
_OUTPUTS = ("features", "scores", "action_units")


@dataclass(frozen=True, slots=True)
class Timing:
    """Calls of the network in one way."""

    provider: str
    bits: int
    way: str
    batch: int
    p50_ms: float
    p99_ms: float
    deviation: float
    """Largest difference of an output to that of the CPU in 32 bits, as a share of the largest output."""

    @property
    def per_second(self) -> float:
        """Movements per second."""
        return 1000.0 * self.batch / self.p50_ms


class Unavailable(Exception):
    """A way that this machine or this network does not allow."""


def network_timings(
    network: bytes, providers: tuple[str, ...], *, calls: int = 100, batches: tuple[int, ...] = BATCHES
) -> Iterator[Timing | str]:
    """Every combination in turn; where one is not possible, a line that says why."""
    forms: dict[int, bytes] = {32: network}
    try:
        forms[16] = in_16_bits(network)
    except Unavailable as error:
        yield f"16 bits: {error}"
    for provider in providers:
        for bits, form in forms.items():
            if provider == CPU and bits == 16:
                continue  # the CPU computes it in 32 bits
            for way in WAYS if provider == CUDA else WAYS[:2]:
                for batch in batches:
                    try:
                        yield time_network(network, form, provider, bits, way, batch, calls)
                    except Unavailable as error:
                        yield f"{provider}, {bits} bits, {way}, batch {batch}: {error}"
                        break


def time_network(
    reference: bytes, network: bytes, provider: str, bits: int, way: str, batch: int, calls: int
) -> Timing:
    """Time one combination. Raises `Unavailable` where it cannot be had, never falls back."""
    inputs = example(batch)
    wanted = _session(reference, CPU, "plain").run(list(_OUTPUTS), inputs)
    session = _session(network, provider, way)
    try:
        call = _plain(session, inputs) if way == "plain" else _bound(session, inputs, provider, wanted)
        for _ in range(_WARM_UP):
            found = call()
        times_ms = [_took_ms(call) for _ in range(calls)]
    except Exception as error:  # ONNX Runtime raises classes of its own without a common root
        raise Unavailable(_one_line(error)) from error
    p50, p99 = np.quantile(times_ms, [0.5, 0.99])
    return Timing(provider, bits, way, batch, float(p50), float(p99), _deviation(found, wanted))


def example(batch: int, seed: int = 0) -> dict[str, F32]:
    """Inputs of the network for so many movements, at random."""
    rng = np.random.default_rng(seed)
    shape = (batch, 3, 3, FACE_SIZE, FACE_SIZE)
    return {
        "frames": rng.random(shape, dtype=np.float32),
        "flows": rng.standard_normal(shape, dtype=np.float32),
    }


def in_16_bits(network: bytes) -> bytes:
    """The network with weights and sums of 16 bits, inputs and outputs as before."""
    try:
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16
    except ImportError as error:
        raise Unavailable(f"needs {error.name}") from error
    model = convert_float_to_float16(onnx.load_from_string(network), keep_io_types=True)
    return bytes(model.SerializeToString())


def _session(network: bytes, provider: str, way: str) -> Any:
    onnxruntime = load_runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    settings = {"enable_cuda_graph": "1"} if way == "graph" else {}
    wanted = [(provider, settings)] if provider == CPU else [(provider, settings), (CPU, {})]
    try:
        session = onnxruntime.InferenceSession(network, options, providers=wanted, enable_fallback=0)
    except Exception as error:  # as above
        raise Unavailable(_one_line(error)) from error
    if session.get_providers()[0] != provider:
        raise Unavailable("ONNX Runtime fell back to another provider")
    return session


def _plain(session: Any, inputs: dict[str, F32]) -> Callable[[], list[Any]]:
    return lambda: list(session.run(list(_OUTPUTS), inputs))


def _bound(session: Any, inputs: dict[str, F32], provider: str, like: list[Any]) -> Callable[[], list[Any]]:
    """Inputs and outputs lie on the device for good; copying in and out is part of the call."""
    onnxruntime = load_runtime()
    device = "cpu" if provider == CPU else "cuda"
    binding = session.io_binding()
    there = {
        name: onnxruntime.OrtValue.ortvalue_from_numpy(value, device, 0) for name, value in inputs.items()
    }
    results = [onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros_like(value), device, 0) for value in like]
    for name, value in there.items():
        binding.bind_ortvalue_input(name, value)
    for name, value in zip(_OUTPUTS, results, strict=True):
        binding.bind_ortvalue_output(name, value)

    def call() -> list[Any]:
        for name, value in inputs.items():
            there[name].update_inplace(value)
        session.run_with_iobinding(binding)
        return [value.numpy() for value in results]

    return call


def _took_ms(call: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    call()
    return 1000.0 * (time.perf_counter() - started_s)


def _deviation(found: list[Any], wanted: list[Any]) -> float:
    return max(
        float(np.abs(a - b).max()) / max(float(np.abs(b).max()), 1e-9)
        for a, b in zip(found, wanted, strict=True)
    )


def recognition_timings(
    device: Any, *, rounds: int = 20, batches: tuple[int, ...] = BATCHES
) -> dict[int, float]:
    """Events of so many streams at once → median ms per event, features and SVM included."""
    recognizer = load_recognizer("default", device=device)
    rng = np.random.default_rng(0)
    evidence = [
        KeyFrameEvidence(
            rng.integers(0, 256, (3, FACE_SIZE, FACE_SIZE, 3), dtype=np.uint8),
            rng.standard_normal((3, 2, FACE_SIZE, FACE_SIZE), dtype=np.float32),
        )
        for _ in range(max(batches))
    ]
    found = {}
    for batch in batches:
        recognizer.recognize_many(evidence[:batch])
        times_ms = [_took_ms(lambda n=batch: recognizer.recognize_many(evidence[:n])) for _ in range(rounds)]  # type: ignore[misc]
        found[batch] = float(np.median(times_ms)) / batch
    return found


def route(source: str | None, device: str) -> dict[str, Any]:
    """The record of `glimpse bench` on a device."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.json"
        words = ["bench", *([source] if source else []), "--device", device, "--json", str(path)]
        if code := glimpse(words):
            raise SystemExit(code)
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record


def main() -> int:
    """Measure and print; gives the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", nargs="?", help="video file (default: the own stream of glimpse bench)")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    network = load_bundle("default").network
    try:
        CnnSession(network, "cuda")
    except DeviceError as error:
        print(f"gpu: {error}", file=sys.stderr)
        return 2
    timings = []
    for item in network_timings(network, (CPU, CUDA, *_tensorrt())):
        print(item if isinstance(item, str) else _row(item), flush=True)
        timings += [] if isinstance(item, str) else [item]
    recognition = {device: recognition_timings(device) for device in ("cpu", "cuda")}
    for device, found in recognition.items():
        print(
            f"recognition on {device}:",
            *(f"{ms:.2f} ms an event by {n}" for n, ms in found.items()),
            sep="  ",
        )
    routes = {device: route(options.source, device) for device in ("cpu", "cuda")}
    if options.json:
        record = {
            "environment": environment(),
            "network": [asdict(timing) for timing in timings],
            "recognition_ms": recognition,
            "route": routes,
        }
        Path(options.json).write_text(json.dumps(record, indent=1), encoding="utf-8")
    return 0


def _tensorrt() -> tuple[str, ...]:
    return (TENSORRT,) if TENSORRT in load_runtime().get_available_providers() else ()


def _row(timing: Timing) -> str:
    name = timing.provider.removesuffix("ExecutionProvider")
    return (
        f"{name:<9}{timing.bits:>3} bits  {timing.way:<6} batch {timing.batch:>3}: "
        f"{timing.p50_ms:>8.3f} ms p50 {timing.p99_ms:>8.3f} ms p99 {timing.per_second:>9.0f} movements/s, "
        f"differs by {timing.deviation:.1e}"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
