"""The small parts that all sections of the page share: statuses, anchors, references to requirements."""

from __future__ import annotations

import re

from ...model import Requirement, Status
from ..merge import Run
from .markup import Child, Safe, tag

# Never by colour alone.
SIGNS = {
    Status.PASS: "✓",
    Status.FAIL: "✗",
    Status.WARN: "!",
    Status.SLOW: "◷",
    Status.KNOWN: "≈",
    Status.STALE: "✗",
    Status.NOT_APPLICABLE: "–",
    Status.NOT_RUN: "○",
    Status.ERROR: "⚠",
}


def slug(status: Status | None) -> str:
    """Return a status as a name of CSS."""
    return "unchecked" if status is None else status.value.replace(" ", "-")


def chip(status: Status | None, text: str | None = None, href: str | None = None) -> Safe:
    """Show a status as a sign and a word, as a link if it leads anywhere."""
    sign, word = ("·", "no case") if status is None else (SIGNS[status], status.value)
    inner = (tag("span", sign, class_="sign", aria_hidden="true"), " ", text or word)
    name = f"chip {slug(status)}"
    return tag("a", inner, class_=name, href=href) if href else tag("span", inner, class_=name)


def case_anchor(run: Run, case: str) -> str:
    """Return the anchor of a case of a run."""
    return f"{run.key}-{re.sub('[^A-Za-z0-9_.-]', lambda sign: '.' if sign[0] == '/' else f'~{ord(sign[0]):x}', case)}"


def requirement_anchor(name: str) -> str:
    """Return the anchor of a requirement."""
    return f"r-{re.sub('[^A-Za-z0-9-]', '_', name)}"


def rule(requirement: Requirement) -> Safe:
    """Quote a requirement, with a link to where it stands."""
    link = tag("a", requirement.id, href=f"#{requirement_anchor(requirement.id)}")
    where = tag("span", f"SPEC.md, {requirement.section}", class_="where") if requirement.section else None
    return tag("blockquote", tag("strong", link, " ", requirement.level), " ", code(requirement.text), where)


_MARKS = re.compile(r"`([^`]+)`|\*([^*]+)\*")


def code(text: str) -> Child:
    """Return a sentence of SPEC.md with what is marked in it as code or stress."""
    at, parts = 0, list[Child]()
    for found in _MARKS.finditer(text):
        parts += [text[at : found.start()], tag("code", found[1]) if found[1] else tag("em", found[2])]
        at = found.end()
    return [*parts, text[at:]]
