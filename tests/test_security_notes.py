"""What SECURITY.md and docs/security.md say of tests is so."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_test_that_is_named_is_there() -> None:
    names = re.findall(r"`(test_\w+\.py)?::(test_\w+)`", (ROOT / "docs" / "security.md").read_text("utf-8"))
    assert len(names) > 50
    file = ""
    for path, name in names:
        file = path or file
        body = ast.parse((ROOT / "tests" / file).read_text("utf-8")).body
        assert name in {node.name for node in body if isinstance(node, ast.FunctionDef)}, f"{file}::{name}"


def test_the_threat_model_leads_to_what_was_tried() -> None:
    for page in ("README.md", "docs/security.md"):
        assert "SECURITY.md)" in (ROOT / page).read_text("utf-8")
    assert len((ROOT / "SECURITY.md").read_text("utf-8").split()) < 1000, "a threat model of one page"
