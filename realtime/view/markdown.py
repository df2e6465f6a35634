"""Model cards as HTML: headings, paragraphs, lists, code, tables of Markdown; anything else stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markupsafe import Markup, escape

_LEVEL = 2
"""A card's title becomes a heading of this many levels below the page's own."""


def to_html(text: str) -> Markup:
    """The text as HTML; whatever is in it is escaped, links are written out."""
    return Markup("\n").join(_block(lines) for lines in _blocks(text))


def _blocks(text: str) -> Iterator[list[str]]:
    """Runs of lines that belong together: split at blank lines, and around headings and code."""
    block: list[str] = []
    for line in text.splitlines():
        kind, before = _kind(line), _kind(block[-1]) if block else ""
        starts = kind in ("heading", "code", "table") or before in ("heading", "code", "table")
        if block and (not line.strip() or (starts and kind != before) or kind == "heading"):
            yield block
            block = []
        if line.strip():
            block.append(line)
    if block:
        yield block


def _kind(line: str) -> str:
    if re.match(r"#{1,6} ", line):
        return "heading"
    if line.startswith("    "):
        return "code"
    if line.startswith("|"):
        return "table"
    return "item" if re.match(r"[-*] ", line) else "text"


def _block(lines: list[str]) -> Markup:
    kind = _kind(lines[0])
    if kind == "heading":
        marks, words = lines[0].split(" ", 1)
        level = min(len(marks) + _LEVEL, 6)
        return Markup("<h{0}>{1}</h{0}>").format(level, _inline(words))
    if kind == "code":
        return Markup('<pre tabindex="0"><code>{}</code></pre>').format("\n".join(line[4:] for line in lines))
    if kind == "table":
        return _table(lines)
    if kind == "item":
        items = re.split(r"\n[-*] ", "\n".join(lines)[2:])
        return Markup("<ul>{}</ul>").format(_tags("li", items))
    return Markup("<p>{}</p>").format(_inline("\n".join(lines)))


def _table(lines: list[str]) -> Markup:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    body = [row for row in rows if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]
    inside = Markup("").join(Markup("<tr>{}</tr>").format(_tags("td", row)) for row in body)
    return Markup('<div class="scroll"><table>{}</table></div>').format(inside)


def _tags(name: str, items: list[str]) -> Markup:
    return Markup("").join(Markup("<{0}>{1}</{0}>").format(name, _inline(item)) for item in items)


def _inline(text: str) -> Markup:
    html = str(escape(text))
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", html)
    html = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", html)
    return Markup(re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", r"\1 (\2)", html))
