"""All settings of the route in one place, read from YAML. Each default stands once, in its stage."""

from __future__ import annotations

import difflib
import math
import os
import reprlib
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from realtime.errors import ConfigError
from realtime.faces import AlignmentConfig, TrackerConfig
from realtime.flow import FlowConfig
from realtime.observability import ObservabilityConfig
from realtime.quality import QualityConfig
from realtime.recognition import RecognitionConfig
from realtime.spotting import SpotterConfig
from realtime.spotting.spotter import LONGEST_WAIT_S

MAX_CONFIG_BYTES = 1_000_000
_LARGEST_INT = 2**31 - 1
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """Settings of the whole route, one part per stage."""

    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    alignment: AlignmentConfig = field(default_factory=AlignmentConfig)
    quality: QualityConfig = field(default_factory=QualityConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    spotter: SpotterConfig = field(default_factory=SpotterConfig)
    recognition: RecognitionConfig = field(default_factory=RecognitionConfig)
    observability: ObservabilityConfig = field(default_factory=ObservabilityConfig)
    keep_s: float = 2.0
    """How long faces are kept for the key frames of an event, s."""
    provisional: bool = False
    """Whether movements are told when they have just peaked, before they are decided."""
    max_gap_s: float = 0.25
    """A longer hole in the stream ends what was going on before it, s."""

    def __post_init__(self) -> None:
        least_s = self.spotter.micro_max_s + self.spotter.settle_s + LONGEST_WAIT_S + self.flow.lag_s + 0.2
        if self.keep_s > 10.0:
            raise ConfigError(f"keep_s must be at most 10, so that memory stays bounded, not {self.keep_s}")
        if not self.keep_s >= least_s:
            raise ConfigError(
                f"keep_s must be at least {least_s:.2f}, so that an event's key frames are still there"
            )
        if not 0.05 <= self.max_gap_s <= 5.0:
            raise ConfigError(f"max_gap_s must lie in 0.05..5, not {self.max_gap_s}")

    def with_max_faces(self, count: int) -> PipelineConfig:
        """These settings for up to `count` faces at once. Raises `ConfigError` where that is out of range."""
        return replace(self, tracker=replace(self.tracker, max_faces=count))


def load_config(path: str | os.PathLike[str]) -> PipelineConfig:
    """Read a YAML file of settings; what it leaves out keeps its default.

    Raises:
        ConfigError: the file cannot be read, is no YAML mapping, or has an unknown key or wrong value.
    """
    name = os.fspath(path)
    return parse_config(read_yaml(name), name)


def read_yaml(name: str) -> Any:
    """The content of a YAML file. Raises `ConfigError` where it cannot be read."""
    try:
        if Path(name).stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError(f"{name}: larger than {MAX_CONFIG_BYTES} bytes; this is no settings file")
        text = Path(name).read_text(encoding="utf-8")
        _refuse_twins(yaml.compose(text, yaml.SafeLoader), name)
        return yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{name}: not valid YAML{where}") from error


def _refuse_twins(node: Any, name: str) -> None:
    """YAML lets the last of two equal keys win; here that is a mistake."""
    waiting, seen = [node], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in keys:
                    line = key.start_mark.line + 1
                    raise ConfigError(f"{name}: the key {_short.repr(key.value)} stands twice, line {line}")
                keys.add(key.value)
            waiting += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def parse_config(data: Any, name: str = "config") -> PipelineConfig:
    """Settings from a mapping as YAML gives it; see `load_config`."""
    config = build(PipelineConfig, {} if data is None else data, name)
    assert isinstance(config, PipelineConfig)
    return config


def build(kind: type[Any], data: Any, where: str) -> Any:
    """An instance of the dataclass `kind` from a mapping; raises `ConfigError` naming key and file."""
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: expected a mapping of settings, found {type(data).__name__}")
    known = {f.name: f for f in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in known:
            text = _short.repr(key) if not isinstance(key, str) else _short.repr(key)[1:-1]
            near = difflib.get_close_matches(text, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"
            raise ConfigError(f"{where}: unknown key '{text}'; {hint}")
        default = _default(known[key])
        if is_dataclass(default):
            values[key] = build(type(default), value, f"{where}: {key}")
        else:
            values[key] = _checked(default, value, f"{where}: {key}")
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _default(setting: Any) -> Any:
    return setting.default if setting.default is not MISSING else setting.default_factory()


def _checked(default: Any, value: Any, where: str) -> Any:
    """`value` in the type of the default; a number or nothing where the default is none."""
    if value is None and default is None:
        return None
    wanted = float if default is None else type(default)
    if isinstance(value, int) and abs(value) > _LARGEST_INT:
        raise ConfigError(f"{where}: must be a number between -{_LARGEST_INT} and {_LARGEST_INT}")
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        # a list or mapping is not shown: YAML's aliases can make a small file endless
        found = type(value).__name__ if isinstance(value, (list, dict)) else _short.repr(value)
        raise ConfigError(f"{where}: expected {wanted.__name__}, found {found}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where}: must be a finite number, not {value}")
    return value
