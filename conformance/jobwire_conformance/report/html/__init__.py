"""One page of HTML from one or several reports: a single file, without network, readable without scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from ...model import Status
from ..merge import Run
from ..together import matrices
from .cases import sections
from .markup import Child, Safe, tag, trusted
from .overview import card, comparison
from .parts import SIGNS, slug
from .tables import requirements_table, together

_HERE = Path(__file__).parent


def page(runs: Sequence[Run]) -> str:
    """Return the page."""
    style, script = _asset("page.css"), _asset("page.js")
    tables = together(matrices(runs))
    body = (
        tag("header", tag("h1", "Jobwire conformance"), _about(runs), _contents(tables is not None)),
        tag(
            "main",
            comparison(runs),
            [card(run) for run in runs],
            tables,
            _filters(),
            tag("section", tag("h2", "Requirements"), requirements_table(runs), id="requirements"),
            tag("section", tag("h2", "Cases"), sections(runs), id="cases"),
        ),
        tag("script", trusted(script)),
    )
    return (
        "<!doctype html>\n" + tag("html", tag("head", _head(runs, style, script)), tag("body", body), lang="en") + "\n"
    )


def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _head(runs: Sequence[Run], style: str, script: str) -> Child:
    # Whatever a job holds, nothing but this style and this script is applied, and nothing is fetched.
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    return (
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("title", "Jobwire conformance: " + ", ".join(run.label for run in runs)),
        tag("link", rel="icon", href="data:,"),
        tag("style", trusted(style)),
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _about(runs: Sequence[Run]) -> Safe:
    header = runs[0].report.header
    spec = header.get("spec") or {}
    facts = [
        f"SPEC.md {spec.get('version', '')}",
        f"suite {header.get('suite', '')}",
        f"corpus {str(header.get('corpus', ''))[:12]}",
    ]
    return tag("p", " · ".join(facts), class_="muted")


def _contents(tables: bool) -> Safe:
    names = [("together", "Together")] if tables else []
    names += [("requirements", "Requirements"), ("cases", "Cases")]
    return tag("nav", [tag("a", title, href=f"#{name}") for name, title in names])


def _filters() -> Safe:
    boxes = [
        tag(
            "label",
            tag("input", type="checkbox", value=slug(status)),
            f" {sign} {status.value if status else 'no case'}",
        )
        for status, sign in [*SIGNS.items(), (None, "·")]
    ]
    roles = [tag("option", text, value=value) for value, text in _ROLES]
    return tag(
        "form",
        tag("fieldset", tag("legend", "Show only"), boxes, class_="boxes"),
        tag("label", "Role ", tag("select", roles, id="role")),
        tag("label", "Text ", tag("input", type="search", id="text", placeholder="a word, an id, a requirement")),
        tag("p", id="shown", class_="muted", aria_live="polite"),
        id="filters",
        # Without scripts there is nothing to filter with.
        hidden=True,
    )


_ROLES = (("", "all"), ("codec", "codec"), ("producer", "producer"), ("worker", "worker"))

__all__ = ["Status", "page"]
