"""What a live run is made of: its cameras, its outputs, its route; from flags or from YAML."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from realtime.config import PipelineConfig, build, read_yaml
from realtime.devices import DEVICES
from realtime.errors import ConfigError, SourceError
from realtime.redaction import Redactor, secrets_of, shown_url
from realtime.sinks.lsl import LslSettings
from realtime.sinks.mqtt import MqttSettings
from realtime.sinks.rolling import FileSettings
from realtime.sinks.webhook import WebhookSettings
from realtime.sources.common import is_sane_fps
from realtime.sources.feed import device_number, is_device, is_url
from realtime.web.access import Listen, address

_VARIABLE = re.compile(r"\{([A-Z_][A-Z0-9_]*)\}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SECTIONS = ("cameras", "outputs", "model", "device", "route", "metrics", "web")
PORTS = {"metrics": 9108, "web": 8765}
"""Where each server listens unless a port is named."""
TOKEN_VARIABLE = "GLIMPSE_WEB_TOKEN"
"""Names the token of servers whose settings hold none."""


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """One camera."""

    source: str = ""
    """Number or /dev path of a device, a URL, or a file."""
    max_faces: int = 0
    """Most faces at once; 0: what the route's settings say."""
    fps: float = 0.0
    """Frame rate to ask a device for, or of a folder of images; 0: as it comes."""
    pace: str = "real"
    """Of a file: "real", or "fast" for as fast as it can be processed."""
    rtsp_transport: str = "tcp"
    """"tcp" or "udp"."""
    stall_s: float = 2.0
    open_timeout_s: float = 8.0
    read_timeout_s: float = 5.0
    buffer_s: float = 1.0
    retries: int = -1
    """Attempts in a row to connect again before the camera counts as failed; -1: without end."""

    def __post_init__(self) -> None:
        if not self.source:
            raise ConfigError("has no source; give a device, a URL or a file")
        for name, known in (("pace", ("real", "fast")), ("rtsp_transport", ("tcp", "udp"))):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} must be {' or '.join(known)}, not '{getattr(self, name)}'")
        for name in ("stall_s", "open_timeout_s", "read_timeout_s", "buffer_s"):
            if not 0.1 <= getattr(self, name) <= 600.0:
                raise ConfigError(f"{name} must lie in 0.1..600, not {getattr(self, name)}")
        if self.fps and not is_sane_fps(self.fps):
            raise ConfigError(f"fps must lie between 1 and 1000, not {self.fps:g}")
        if not 0 <= self.max_faces <= 16:
            raise ConfigError(f"max_faces must lie in 0..16, not {self.max_faces}")
        if self.retries < -1:
            raise ConfigError(f"retries must be at least -1, not {self.retries}")

    @property
    def is_file(self) -> bool:
        """Whether it is a recording on this machine, which begins anew each time it is opened."""
        return not is_device(self.source) and not is_url(self.source)

    @property
    def shown_source(self) -> str:
        """The source without credentials."""
        number = device_number(self.source)
        return f"camera:{number}" if number is not None else shown_url(self.source)


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """Outputs; what is None is not used."""

    jsonl: FileSettings | None = None
    csv: FileSettings | None = None
    mqtt: MqttSettings | None = None
    webhook: WebhookSettings | None = None
    lsl: LslSettings | None = None


_OUTPUTS: Mapping[str, type[Any]] = {
    "jsonl": FileSettings,
    "csv": FileSettings,
    "mqtt": MqttSettings,
    "webhook": WebhookSettings,
    "lsl": LslSettings,
}
SHORT = {"jsonl": "path", "csv": "path", "mqtt": "url", "webhook": "url", "lsl": "name"}
"""The setting that a single value stands for: `mqtt: mqtt://host`."""


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """A whole run."""

    cameras: Mapping[str, CameraSettings]
    outputs: OutputSettings = field(default_factory=OutputSettings)
    model: str = "default"
    device: str = "auto"
    route: PipelineConfig = field(default_factory=PipelineConfig)
    metrics: Listen | None = None
    """Where `/metrics` and `/healthz` are; None: off."""
    web: Listen | None = None
    """Where the live page is; None: off."""
    show: bool = False
    """Whether every camera has a window."""
    allow_clips: bool = False
    """Whether the windows may save clips, into the current folder."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must never be shown."""

    def __post_init__(self) -> None:
        if not self.cameras:
            raise ConfigError("no camera was named")
        for name, camera in self.cameras.items():
            if not _NAME.fullmatch(name):
                raise ConfigError(
                    f"'{name}' cannot name a camera: letters, digits, '_', '-' and '.' only, at most 64"
                )
            if camera.is_file and not os.path.exists(camera.source):
                raise SourceError(f"camera {name}: {camera.shown_source}: no such file, device or URL")
        if self.device not in DEVICES:
            raise ConfigError(f"device must be one of {', '.join(DEVICES)}, not '{self.device}'")

    def route_of(self, camera: CameraSettings) -> PipelineConfig:
        """The settings of a camera's own route."""
        return self.route.with_max_faces(camera.max_faces) if camera.max_faces else self.route


def load_live(path: str | os.PathLike[str], environ: Mapping[str, str] = os.environ) -> LiveSettings:
    """Read a run from a YAML file; `{NAME}` in a value stands for an environment variable.

    Raises:
        ConfigError: the file cannot be read, has unknown keys or wrong values, or a variable is not set.
        SourceError: a camera is a file that does not exist.
    """
    name = os.fspath(path)
    return parse_live(read_yaml(name), name, environ)


def parse_live(data: Any, name: str = "config", environ: Mapping[str, str] = os.environ) -> LiveSettings:
    """A run from a mapping as YAML gives it; see `load_live`."""
    secrets: list[str] = []
    try:
        return _parsed(data, name, environ, secrets)
    except (ConfigError, SourceError) as error:  # a value that is wrong may hold a secret
        raise type(error)(Redactor(secrets)(str(error))) from None


def _parsed(data: Any, name: str, environ: Mapping[str, str], secrets: list[str]) -> LiveSettings:
    if not isinstance(data, dict):
        raise ConfigError(f"{name}: expected a mapping with the key cameras")
    for key in data:
        if key not in _SECTIONS:
            raise ConfigError(f"{name}: unknown key '{key}'; known are {', '.join(_SECTIONS)}")
    filled = _filled(data, name, environ, secrets)
    cameras = _section(filled.get("cameras"), f"{name}: cameras")
    outputs = {
        kind: output(kind, value, f"{name}: outputs: {kind}")
        for kind, value in _section(filled.get("outputs") or {}, f"{name}: outputs").items()
    }
    values = {
        "cameras": {str(key): _camera(value, f"{name}: cameras: {key}") for key, value in cameras.items()},
        "outputs": OutputSettings(**outputs),
        "route": build(PipelineConfig, filled.get("route") or {}, f"{name}: route"),
        **{key: str(filled[key]) for key in ("model", "device") if key in filled},
        **{kind: listen(kind, filled[kind], f"{name}: {kind}") for kind in PORTS if kind in filled},
    }
    try:
        return with_secrets(LiveSettings(**values), secrets)
    except (ConfigError, SourceError) as error:
        raise type(error)(f"{name}: {error}") from None


def output(kind: str, value: Any, where: str) -> Any:
    """Settings of one output from a mapping or from the single value that matters."""
    if kind not in _OUTPUTS:
        raise ConfigError(f"{where}: unknown output; known are {', '.join(_OUTPUTS)}")
    data = value if isinstance(value, dict) else {} if value is None else {SHORT[kind]: str(value)}
    return build(_OUTPUTS[kind], data, where)


def listen(kind: str, value: Any, where: str) -> Listen:
    """Where a server listens, from a mapping, or from `[HOST:]PORT`. Raises `ConfigError`."""
    if value is None or isinstance(value, dict):
        made = build(Listen, {"port": PORTS[kind], **(value or {})}, where)
        assert isinstance(made, Listen)
        return made
    try:
        return Listen(*address(str(value)))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def with_token(settings: LiveSettings, environ: Mapping[str, str] = os.environ) -> LiveSettings:
    """Servers that have no token get the one of the environment, where there is one."""
    token = environ.get(TOKEN_VARIABLE, "")
    servers = {kind: getattr(settings, kind) for kind in PORTS}
    bare = {kind: server for kind, server in servers.items() if server is not None and not server.token}
    chosen = {kind: replace(server, token=token) for kind, server in bare.items()}
    return replace(settings, **chosen) if token else settings


def with_secrets(settings: LiveSettings, more: list[str]) -> LiveSettings:
    """Settings that know all their secrets."""
    outputs = settings.outputs
    urls = [camera.source for camera in settings.cameras.values()]
    found = [*more]
    if outputs.mqtt is not None:
        urls.append(outputs.mqtt.url)
        found.append(outputs.mqtt.password)
    if outputs.webhook is not None:
        urls.append(outputs.webhook.url)
        found.append(outputs.webhook.authorization)
    found += [server.token for server in (settings.metrics, settings.web) if server is not None]
    found += [secret for url in urls for secret in secrets_of(url)]
    return replace(settings, secrets=tuple(dict.fromkeys(filter(None, found))))


def default_name(source: str) -> str:
    """A name for a camera that was given without one."""
    number = device_number(source)
    if number is not None:
        return f"camera-{number}"
    shown = shown_url(source)
    base = _host(shown) if is_url(source) else Path(shown).stem
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", base or "camera").strip("-.")[:64]
    return name or "camera"


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _section(data: Any, where: str) -> dict[Any, Any]:
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: expected a mapping")
    return data


def _camera(data: Any, where: str) -> CameraSettings:
    if isinstance(data, dict):
        data = {k: str(v) if k == "source" and isinstance(v, int) else v for k, v in data.items()}
    else:
        data = {"source": "" if data is None else str(data)}
    camera = build(CameraSettings, data, where)
    assert isinstance(camera, CameraSettings)
    return camera


def _filled(data: Any, where: str, environ: Mapping[str, str], secrets: list[str]) -> Any:
    """The data with every `{NAME}` filled in; the values are added to `secrets`."""
    if isinstance(data, dict):
        return {key: _filled(value, f"{where}: {key}", environ, secrets) for key, value in data.items()}
    if isinstance(data, list):
        return [_filled(value, where, environ, secrets) for value in data]
    if not isinstance(data, str):
        return data

    def value_of(match: re.Match[str]) -> str:
        if match[1] not in environ:
            raise ConfigError(f"{where}: the environment variable {match[1]} is not set")
        value = environ[match[1]]
        secrets.append(value)
        return quote(value, safe="") if "://" in data else value

    return _VARIABLE.sub(value_of, data)
