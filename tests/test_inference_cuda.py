"""Where the network runs is never left unsaid: everything about CUDA, with a runtime that pretends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bundles import network

from benchmarks import gpu
from realtime import inference
from realtime.errors import DeviceError
from realtime.inference import CnnSession

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
EMPTY = np.zeros((1, 3, 3, 64, 64), np.float32)


class FakeSession:
    """A session that got, or did not get, what was asked for."""

    def __init__(self, providers: list[str], fails: bool = False) -> None:
        self.providers, self.fails, self.falls_back = providers, fails, True

    def get_providers(self) -> list[str]:
        return self.providers

    def set_providers(self, providers: list[str]) -> None:
        self.providers = providers

    def disable_fallback(self) -> None:
        self.falls_back = False

    def run(self, outputs: list[str], inputs: dict[str, Any]) -> list[Any]:
        if self.fails and self.providers[0] != CPU:
            if not self.falls_back:
                raise RuntimeError("CUDA failure 2: out of memory")
            print("EP Error ... Falling back to ['CPUExecutionProvider'] and retrying.")
        return [np.zeros((1, 128)), np.zeros((1, 2, 4)), np.zeros((1, 13, 2))]


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An ONNX Runtime that lists CUDA; `runtime.session` is what it opens."""
    fake = SimpleNamespace(session=FakeSession([CUDA, CPU]), asked=[], preloaded=0)

    def open_session(model: bytes, options: Any, providers: list[str]) -> FakeSession:
        fake.asked = providers
        return fake.session

    def preload_dlls(directory: str) -> None:
        print("Failed to load libcudart")
        fake.preloaded += 1

    fake.SessionOptions = lambda: SimpleNamespace(add_session_config_entry=lambda key, value: None)
    fake.InferenceSession = open_session
    fake.get_available_providers = lambda: [CUDA, CPU]
    fake.preload_dlls = preload_dlls
    monkeypatch.setattr(inference, "load_runtime", lambda: fake)
    monkeypatch.setattr(inference, "_cuda_device_present", lambda: True)
    monkeypatch.setattr(inference, "_doubly_installed", lambda: False)
    return fake


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_cuda_where_it_works(runtime: Any, device: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert CnnSession(b"", device).provider == "cuda"
    assert runtime.asked == [CUDA, CPU]
    assert runtime.preloaded == 1
    assert capfd.readouterr().out == ""


def test_a_runtime_that_falls_back_when_it_opens(runtime: Any) -> None:
    runtime.session = FakeSession([CPU])
    with pytest.raises(DeviceError, match="CUDA is not available"):
        CnnSession(b"", "cuda")
    assert CnnSession(b"", "auto").provider == "cpu"


def test_a_runtime_that_fails_while_it_runs(
    runtime: Any, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    runtime.session = FakeSession([CUDA, CPU], fails=True)
    session = CnnSession(b"", "cuda")
    with pytest.raises(DeviceError, match="failed on CUDA"):
        session.run(EMPTY, EMPTY)
    runtime.session = FakeSession([CUDA, CPU], fails=True)
    session = CnnSession(b"", "auto")
    for _ in range(2):
        session.run(EMPTY, EMPTY)
    assert session.provider == "cpu", "auto may fall back, and says so"
    assert caplog.messages == ["glimpse: the network failed on CUDA and runs on the CPU from here on"]
    assert capfd.readouterr().out == "", "standard output is for the results"


def test_tensorrt_on_request_and_never_silently_something_else(
    runtime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.session = FakeSession([CUDA, CPU])
    with pytest.raises(DeviceError, match=r"TensorRT is not available.* install .*tensorrt-cu12"):
        CnnSession(b"", "tensorrt")
    assert runtime.asked == [CUDA, CPU], "a build without TensorRT is not asked for it"
    monkeypatch.setattr(runtime, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    runtime.session = FakeSession([TENSORRT, CUDA, CPU])
    session = CnnSession(b"", "tensorrt")
    assert session.provider == "tensorrt"
    assert runtime.asked == [TENSORRT, CUDA, CPU]
    CnnSession(b"", "auto")
    assert runtime.asked == [CUDA, CPU], "auto does not build engines"
    runtime.session = FakeSession([TENSORRT, CUDA, CPU], fails=True)
    session = CnnSession(b"", "tensorrt")
    with pytest.raises(DeviceError, match="failed on TensorRT"):
        session.run(EMPTY, EMPTY)


def test_the_cpu_is_taken_where_it_is_asked_for(runtime: Any) -> None:
    runtime.session = FakeSession([CPU])
    assert CnnSession(b"", "cpu").provider == "cpu"
    assert runtime.asked == [CPU]
    assert runtime.preloaded == 0


def test_the_gpu_benchmark_says_in_one_line_that_there_is_none(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inference, "_cuda_device_present", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu"])
    assert gpu.main() == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "CUDA is not available" in err


def test_every_way_of_running_the_network_gives_the_same() -> None:
    found = list(gpu.network_timings(network(), (gpu.CPU,), calls=2, batches=(1, 3)))
    timings = [item for item in found if isinstance(item, gpu.Timing)]
    assert [(t.way, t.batch) for t in timings] == [("plain", 1), ("plain", 3), ("bound", 1), ("bound", 3)]
    assert all(t.deviation < 1e-6 and 0.0 < t.p50_ms <= t.p99_ms and t.per_second > 0.0 for t in timings)


def test_16_bits_are_close_to_32() -> None:
    timing = gpu.time_network(network(), gpu.in_16_bits(network()), gpu.CPU, 16, "plain", 2, calls=1)
    assert 0.0 < timing.deviation < 1e-2


def test_a_provider_that_is_not_there_is_named_not_replaced() -> None:
    pytest.importorskip("onnxruntime")
    found = list(gpu.network_timings(network(), ("NoSuchExecutionProvider",), calls=1, batches=(1,)))
    assert found
    assert all(isinstance(item, str) and "NoSuchExecutionProvider" in item for item in found)


def test_recognition_in_batches_is_timed() -> None:
    found = gpu.recognition_timings("cpu", rounds=1, batches=(1, 2))
    assert set(found) == {1, 2}
    assert all(ms > 0.0 for ms in found.values())
