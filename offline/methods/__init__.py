"""Recognition methods side by side, one module each.

A module `some_name.py` of this package IS the method `some-name`: it holds `METHOD`, a dataclass that
follows `offline.methods.base.Method` and whose `settings` have defaults. Modules whose name starts with
an underscore are helpers. A module is imported only when its method is asked for.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from offline.methods.base import Fitted, Method
from offline.settings import read_settings
from offline.torch_edge import require_torch
from realtime.errors import UsageError

__all__ = ["Fitted", "Method", "make_method", "method_names"]


def method_names() -> tuple[str, ...]:
    """Names of all methods, sorted."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.replace("_", "-") for name in modules if name[0] != "_" and name != "base"))


def make_method(name: str, settings: Any = None, where: str = "settings") -> Method:
    """The method called `name`.

    Args:
        name: one of `method_names()`.
        settings: mapping of its settings, as YAML gives it; what is left out keeps its default.
        where: what the settings came from, for complaints.

    Raises UsageError for an unknown name and where the method needs torch and there is none, ConfigError
    for settings it does not have.
    """
    if name not in method_names():
        raise UsageError(f"unknown method {name!r}: use one of {', '.join(method_names())}")
    try:
        module = importlib.import_module(f"offline.methods.{name.replace('-', '_')}")
    except ModuleNotFoundError as error:
        if error.name == "torch":
            require_torch()
        raise
    made: Method = module.METHOD(read_settings(type(module.METHOD().settings), settings, where))
    return made
