"""glimpse for notebooks and scripts: a stream in, typed events out."""

from __future__ import annotations

import os
from collections.abc import Iterator

from realtime.bundle import load_bundle
from realtime.config import PipelineConfig
from realtime.devices import Device
from realtime.pipeline import Pipeline
from realtime.process import events
from realtime.recognition import RecognitionConfig, Recognizer
from realtime.sources import open_source
from realtime.types import FacialEvent, FrameSource


def load_recognizer(
    model: str | os.PathLike[str] = "default",
    *,
    device: Device = "auto",
    config: RecognitionConfig | None = None,
) -> Recognizer:
    """The recogniser of a shipped bundle (by name) or of a bundle folder (by path).

    Raises:
        BundleError: there is no such bundle, or it is damaged, untrusted or of another feature spec.
        DeviceError: `device` is "cuda" or "tensorrt" and cannot be used.
    """
    return Recognizer(load_bundle(model), device, config)


def detect(
    source: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = "default",
    config: PipelineConfig | None = None,
    device: Device = "auto",
    fps: float | None = None,
) -> Iterator[FacialEvent]:
    """Events of a recorded stream, each yielded as soon as it is decided.

    Args:
        source: a video file, a folder of numbered images, or a camera number.
        model: name or folder of a model bundle; None finds movements without labelling them.
        config: settings of the route.
        device: "auto", "cpu", "cuda" or "tensorrt", for the network.
        fps: frame rate of a folder of images.

    Raises:
        SourceError, BundleError, DeviceError: see the errors' own docstrings.
    """
    # A wrong model or file is refused here, not at the first event.
    settings = (config or PipelineConfig()).recognition
    recognizer = None if model is None else load_recognizer(model, device=device, config=settings)
    return _events(open_source(source, fps=fps), Pipeline(config, recognizer))


def _events(source: FrameSource, pipeline: Pipeline) -> Iterator[FacialEvent]:
    with source, pipeline:
        yield from events(source, pipeline)
