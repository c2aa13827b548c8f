"""SPEC.md taken apart: blocks, prose, sentences, tables, headings."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "SPEC.md").read_text(encoding="utf-8")
LEVEL = re.compile(r"\b(?:MUST|SHOULD|MAY|SHALL|REQUIRED|RECOMMENDED|OPTIONAL)\b(?: NOT\b)?")
DEFINED = re.compile(r"\. \[([A-Z]+-\d+)\]$")
NAMED = re.compile(r"\[([A-Z]+-\d+)\]")


class Block(NamedTuple):
    """A fenced block: the words after the fence, and the text."""

    info: str
    text: str


def blocks(part: str = SPEC) -> list[Block]:
    return [Block(*found) for found in re.findall(r"^```([^\n]*)\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)]


def section(title: str) -> str:
    """Return the text of the section whose heading begins so, up to the next heading of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}", SPEC, re.MULTILINE)
    assert found, title
    rest = SPEC[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def prose() -> str:
    """Return what is neither in a fenced block nor generated."""
    text = re.sub(r"<!-- (\w+) -->.*?<!-- /\1 -->", "", SPEC, flags=re.DOTALL)
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"<!--.*?-->", "", text)


def without_code(text: str) -> str:
    return re.sub(r"`[^`]*`", "``", text)


def sentences() -> Iterator[str]:
    """Yield the sentences of the prose, each with the ID that it ends in."""
    for line in without_code(prose()).splitlines():
        yield from filter(None, re.split(r"(?<=[.!?])\s+(?!\[)|(?<=\])\s+(?=[A-Z`])", line.removeprefix("- ").strip()))


def requirements() -> list[str]:
    return [found[1] for sentence in sentences() if (found := DEFINED.search(sentence))]


def tables(part: str) -> Iterator[list[dict[str, str]]]:
    """Yield each table of a part as rows of column -> cell."""
    for table in re.findall(r"(?:^\|.*\|\n)+", part, re.MULTILINE):
        titles, _, *rows = [[cell.strip() for cell in line.strip("|").split(" |")] for line in table.splitlines()]
        yield [dict(zip(titles, row, strict=True)) for row in rows]


def table(part: str, column: str) -> list[dict[str, str]]:
    """Return the table of a part that has this column."""
    (found,) = [rows for rows in tables(part) if column in rows[0]]
    return found


def headings() -> list[str]:
    return re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", SPEC, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return "".join(c for c in heading.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def code_words(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)
