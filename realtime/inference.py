"""Runs a bundle's network with ONNX Runtime: on the CPU, on a CUDA device, or there by TensorRT."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from importlib import metadata
from typing import Any

import numpy as np

from realtime.devices import DEVICES, Device
from realtime.errors import BundleError, DeviceError
from realtime.network_file import OUTPUTS
from realtime.types import F32

_CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"
_TENSORRT = "TensorrtExecutionProvider"
_NAMES = {_CPU: "cpu", _CUDA: "cuda", _TENSORRT: "tensorrt"}
_CHOICES = {
    "cpu": (_CPU,),
    "cuda": (_CUDA, _CPU),
    "auto": (_CUDA, _CPU),
    "tensorrt": (_TENSORRT, _CUDA, _CPU),
}
"""What ONNX Runtime is offered, best first: TensorRT leaves to CUDA what it cannot do."""
_TITLES = {"cuda": "CUDA", "tensorrt": "TensorRT"}
_PACKAGES = {
    "cuda": "onnxruntime-gpu[cuda,cudnn]",
    "tensorrt": "onnxruntime-gpu[cuda,cudnn] and tensorrt-cu12",
}
_FATAL = 4
log = logging.getLogger("glimpse")


class CnnSession:
    """A loaded network. Deterministic on the CPU: one thread, one sample at a time gives the same bits."""

    def __init__(self, network: bytes, device: Device = "auto") -> None:
        """Load the network.

        Args:
            network: an ONNX model that `realtime.network_file.check_network` lets pass.
            device: "cuda" and "tensorrt" insist, "auto" takes CUDA where it works, else the CPU. TensorRT
                builds its engine at every start, which takes a while: nothing of it is stored.

        Raises:
            DeviceError: what was asked for cannot be used.
            BundleError: the model cannot be loaded.
        """
        if device not in DEVICES:
            raise DeviceError(f"unknown device {device!r}: use {', '.join(DEVICES)}")
        insists = device in _TITLES
        if insists:
            _refuse_double_install()
        self._session = _open(load_runtime(), network, device)
        if insists and self.provider != device:
            raise DeviceError(
                f"{_TITLES[device]} is not available to ONNX Runtime: install {_PACKAGES[device]} "
                "and a driver, or use --device cpu"
            )
        self._session.disable_fallback()  # its own is told on standard output
        self._may_fall_back = device == "auto"

    @property
    def provider(self) -> str:
        """What the network really runs on just now: "cpu", "cuda" or "tensorrt"."""
        return _NAMES.get(self._session.get_providers()[0], "cpu")

    def run(self, frames: F32, flows: F32) -> tuple[F32, F32, F32]:
        """What the network says of n movements. On "auto", a failure of CUDA moves it to the CPU.

        Args:
            frames: float32 (n, 3, 3, 64, 64), as of `realtime.features.network_input`.
            flows: float32 (n, 3, 3, 64, 64), likewise.

        Returns:
            float32 features (n, 128), the `cnn` block; scores (n, 2, classes), the members' and the
            prior's; action_units (n, 13, 2), logits of `AU_NAMES` on the person's left and right.

        Raises:
            DeviceError: the device failed.
        """
        try:
            return self._run(frames, flows)
        except Exception as error:  # ONNX Runtime raises classes of its own without a common root
            if self.provider == "cpu":
                raise
            if not self._may_fall_back:
                title = _TITLES[self.provider]
                raise DeviceError(
                    f"the network failed on {title}: is its memory full? or use --device cpu"
                ) from error
        log.warning("glimpse: the network failed on CUDA and runs on the CPU from here on")
        self._session.set_providers([_CPU])
        return self._run(frames, flows)

    def _run(self, frames: F32, flows: F32) -> tuple[F32, F32, F32]:
        found = self._session.run(list(OUTPUTS), {"frames": frames, "flows": flows})
        features, scores, units = (np.asarray(item, dtype=np.float32) for item in found)
        return features, scores, units


def load_runtime() -> Any:
    """ONNX Runtime, silent and without telemetry."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, when the library is first imported
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # the caller may have imported it before the variable was set
    onnxruntime.set_default_logger_severity(_FATAL)
    return onnxruntime


def _open(runtime: Any, network: bytes, device: Device) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    options.add_session_config_entry("session.load_model_format", "ONNX")  # the format that was checked
    providers = [_CPU]
    known = runtime.get_available_providers()
    if device != "cpu" and _CUDA in known and _cuda_device_present():
        if hasattr(runtime, "preload_dlls"):
            with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
                runtime.preload_dlls(directory="")
        providers = [provider for provider in _CHOICES[device] if provider in known]
        _warn_of_double_install()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints when it falls back
            return runtime.InferenceSession(network, options, providers=providers)
    except Exception as error:  # ONNX Runtime raises classes of its own without a common root
        raise BundleError("the bundle's network cannot be loaded: export the bundle again") from error


def _cuda_device_present() -> bool:
    """Whether a driver shows a device: without one, asking for CUDA only costs time and noise."""
    signs = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg")
    return os.name == "nt" or any(os.path.exists(sign) for sign in signs)


def _doubly_installed() -> bool:
    return all(_installed(name) for name in ("onnxruntime", "onnxruntime-gpu"))


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


_DOUBLE = (
    "onnxruntime and onnxruntime-gpu are both installed, which breaks CUDA: uninstall both, reinstall -gpu"
)


def _refuse_double_install() -> None:
    if _doubly_installed():
        raise DeviceError(_DOUBLE)


def _warn_of_double_install() -> None:
    if _doubly_installed():
        log.warning("glimpse: %s", _DOUBLE)
