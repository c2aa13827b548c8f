"""Documents in SPEC.md are what their fence says."""

import json
import re
from collections import Counter
from typing import Any

import pytest

from tests.schemas.documents import validator
from tests.spec.text import Block, blocks, section

FENCES = {"", "sh", "redis", "reply", "json", "acl", "mermaid"}
DOCUMENTS = [block for block in blocks() if block.info.startswith("json")]
COMMANDS = [block for block in blocks(section("1.")) if block.info.startswith("redis ")]


def test_kinds_of_fences() -> None:
    assert {block.info.partition(" ")[0] for block in blocks()} <= FENCES


@pytest.mark.parametrize("block", DOCUMENTS, ids=lambda block: block.text[:60])
def test_document(block: Block) -> None:
    _, kind, *verdict = block.info.split(" ")
    assert verdict in ([], ["invalid"])
    assert bool(faults(kind, json.loads(block.text))) == bool(verdict)


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("outcome" if block.info == "redis settle" else "job", found)
        for block in COMMANDS
        if block.info in ("redis enqueue", "redis settle")
        for found in re.findall(r"'(.*?)'", block.text)
    ],
)
def test_document_in_a_command(kind: str, document: str) -> None:
    assert faults(kind, json.loads(document)) == []


def faults(kind: str, document: Any) -> list[str]:
    """Name what is wrong with a document: by its schema, and an id that stands twice, by [FLOW-2]."""
    messages = [error.message for error in validator(kind).iter_errors(document)]
    repeated = [id for id, count in Counter(ids(document)).items() if count > 1] if kind == "job" else []
    return messages + [f"{id} stands twice" for id in repeated]


def ids(work: dict[str, Any]) -> list[str]:
    steps = work.get("then", []) + work.get("join", {}).get("then", [])
    return [work["id"], *(id for step in steps for id in ids(step))]
