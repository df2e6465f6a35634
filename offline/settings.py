"""Settings from YAML or JSON into the dataclass of whatever reads them."""

from __future__ import annotations

from typing import Any, TypeVar

from realtime.config import build

Settings = TypeVar("Settings")


def read_settings(kind: type[Settings], data: Any, where: str) -> Settings:
    """An instance of the dataclass `kind` from a mapping, None being an empty one; lists become tuples.

    Raises ConfigError, naming `where` and the key.
    """
    settings = build(kind, {} if data is None else _with_tuples(data), where)
    assert isinstance(settings, kind)
    return settings


def _with_tuples(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _with_tuples(value) for key, value in data.items()}
    if isinstance(data, list):
        return tuple(value if isinstance(value, str) else float(value) for value in data)
    return data
