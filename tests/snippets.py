"""Programs in Markdown: find them, and compare what they print with what their comments say."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
_FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PRINTS = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """One fenced block: its language, its text, and the title of the section that it is in."""

    language: str
    text: str
    title: str


def blocks(path: Path, language: str) -> list[Block]:
    """Return the blocks of a file that are in one language, in order."""
    text = path.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        titles = re.findall(r"^#+ (.+)$", text[: match.start()], re.MULTILINE)
        found.append(Block(match[1], match[2], titles[-1] if titles else ""))
    return [block for block in found if block.language == language]


def promised(program: str) -> list[str]:
    """Return what the comments behind a program's `print` calls say, in order."""
    return _PRINTS.findall(program)
