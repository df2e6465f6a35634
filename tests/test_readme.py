"""What the README tells people to type is understood by what they type it into."""

from __future__ import annotations

import ast
import builtins
import csv
import importlib
import io
import json
import re
import shlex
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import export.cli
import offline.cli
import realtime.cli
from realtime.config import parse_config
from realtime.live.settings import parse_live
from realtime.types import FacialEvent, Frame, FrameSource, KeyFrames, Recognition

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PARSERS = {
    "glimpse": realtime.cli.build_parser,
    "glimpse-offline": offline.cli.build_parser,
    "glimpse-export": export.cli.build_parser,
}
MODULES = {"realtime": "glimpse", "offline": "glimpse-offline", "export": "glimpse-export"}


def blocks(*languages: str) -> list[str]:
    """Contents of the README's code blocks in one of some languages."""
    found = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    return [text for language, text in found if language in languages]


def commands() -> list[list[str]]:
    """Every command line as words, comments and prompts left out, pipes and redirections cut off."""
    lines = "".join(blocks("sh", "bash", "shell", "console")).replace("\\\n", " ").splitlines()
    lines += re.findall(r"`((?:glimpse(?:-offline|-export)?|make|python -m) [^`\n]+)`", README)
    words = []
    for line in lines:
        parts = shlex.split(line.strip().removeprefix("$ "), comments=True)
        for mark in ("|", ">", ">>", "&&", ";", "2>"):
            parts = parts[: parts.index(mark)] if mark in parts else parts
        if parts:
            words.append(parts)
    return words


COMMANDS = commands()


def test_the_readme_shows_commands() -> None:
    assert ["make", "demo"] in COMMANDS
    assert any(words[0] == "glimpse" for words in COMMANDS)


@pytest.mark.parametrize("words", [w for w in COMMANDS if w[0] in PARSERS], ids=shlex.join)
def test_commands_are_understood(words: list[str]) -> None:
    if "…" in words or "..." in words:
        pytest.skip("an abbreviation")
    if words[0] == "glimpse" and words[1] in ("live", "bench") and words[1] not in _subcommands():
        assert "Coming" in README, "a command that is not there yet must be said to be so"
        return
    options = PARSERS[words[0]]().parse_args(words[1:])
    assert callable(options.command)


def _subcommands() -> set[str]:
    parser = realtime.cli.build_parser()
    return {name for action in parser._actions if isinstance(action.choices, dict) for name in action.choices}


@pytest.mark.parametrize("words", [w for w in COMMANDS if w[0] == "make"], ids=shlex.join)
def test_goals_are_there(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for goal in words[1:]:
        assert "=" in goal or re.search(rf"^{re.escape(goal)}:", makefile, flags=re.MULTILINE)


@pytest.mark.parametrize("words", [w for w in COMMANDS if w[:2] == ["python", "-m"]], ids=shlex.join)
def test_modules_are_there(words: list[str]) -> None:
    path = ROOT.joinpath(*words[2].split("."))
    assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
    if words[2] in MODULES:
        PARSERS[MODULES[words[2]]]().parse_args(words[3:])


@pytest.mark.parametrize("text", blocks("python", "py"))
def test_python_names_are_there(text: str) -> None:
    """The code compiles; every name is defined, and every attribute of `realtime` exists."""
    module = ast.parse(text)
    known: dict[str, Any] = {}
    bound: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            known |= {
                alias.asname or alias.name.split(".")[0]: importlib.import_module(alias.name)
                for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            home = importlib.import_module(node.module or "")
            known |= {alias.asname or alias.name: getattr(home, alias.name) for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.arg)):
            bound.add(node.arg if isinstance(node, ast.arg) else node.name)
    for node in ast.walk(module):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            assert node.id in known or node.id in bound or hasattr(builtins, node.id), node.id
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
            assert hasattr(known[node.value.id], node.attr), node.attr
    attributes = {node.attr for node in ast.walk(module) if isinstance(node, ast.Attribute)}
    assert attributes <= _attributes(*known.values()), "not an attribute of anything that is public"


def _attributes(*more: Any) -> set[str]:
    """Attributes of the public classes and of what a block imports."""
    public = [getattr(realtime, name) for name in realtime.__all__]
    homes = [
        realtime,
        *public,
        FacialEvent,
        KeyFrames,
        Recognition,
        Frame,
        FrameSource,
        dict,
        list,
        str,
        Path,
        *more,
    ]
    return {name for home in homes for name in (*dir(home), *getattr(home, "__annotations__", ()))}


def test_records_follow_the_schema() -> None:
    schema = json.loads(
        files("realtime").joinpath("schema/glimpse-1.schema.json").read_text(encoding="utf-8")
    )
    for text in blocks("json", "jsonl"):
        for line in text.splitlines():
            jsonschema.validate(json.loads(line), schema)


def test_settings_are_settings() -> None:
    for text in (*blocks("yaml", "yml"), *re.findall(r"`(\w+: \{[^`]*\})`", README)):
        data = yaml.safe_load(text)
        if "cameras" in data:
            parse_live(data, environ=dict.fromkeys(re.findall(r"\{([A-Z_]+)\}", text), "secret"))
        else:
            parse_config(data)


def test_tables_have_as_many_cells_as_columns() -> None:
    for text in blocks("csv"):
        assert len({len(row) for row in csv.reader(io.StringIO(text)) if row}) == 1


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", README):
        assert (ROOT / target).exists(), target


def test_nothing_is_left_to_fill_in() -> None:
    assert not re.findall(r"@@\w*@@|\bTODO\b|\bFIXME\b|\bXXX\b", README)
