"""Links lead somewhere, and IDs that are named elsewhere exist."""

import re
from pathlib import Path

import pytest

from tests.spec.text import NAMED, ROOT, SPEC, anchor, headings, prose, requirements

IDS = set(requirements())
FAMILIES = {id.partition("-")[0] for id in IDS}
FOLDERS = ("lua", "schemas", "reference", "conformance", "tools", "tests", "examples", "docs", "benchmarks")
SUFFIXES = {".lua", ".py", ".md", ".json", ".toml", ".ts", ".go", ".rs", ".java"}
FILES = [
    path
    for place in ("*.md", *(f"{folder}/**/*" for folder in FOLDERS))
    for path in ROOT.glob(place)
    if path.suffix in SUFFIXES
    and path.name != "SPEC.md"
    and "examples" not in path.relative_to(ROOT).parts[1:2]
    # What a build of the workers in other languages leaves behind.
    and not {"node_modules", "target", "dist"} & set(path.relative_to(ROOT).parts)
]
PAGES = [path for path in FILES if path.suffix == ".md" and path.is_relative_to(ROOT / "docs")]


def test_anchors_exist() -> None:
    targets = re.findall(r"\]\(#([^)]+)\)", SPEC)
    assert len(targets) > 100
    assert set(targets) - {anchor(heading) for heading in headings()} == set()


def test_headings_have_anchors_of_their_own() -> None:
    assert len({anchor(heading) for heading in headings()}) == len(headings())


def test_sections_that_are_referred_to_exist() -> None:
    named = set(re.findall(r"\bsections? (\d+(?:\.\d+)?)", prose()))
    assert named - {heading.partition(" ")[0].rstrip(".") for heading in headings()} == set()


def test_files_exist() -> None:
    targets = {target for target in re.findall(r"\]\(([^)#]+)\)", SPEC) if "://" not in target}
    assert {target for target in targets if not (ROOT / target).exists()} == set()


def test_ids_named_in_code_and_docs_exist() -> None:
    named = {(str(path.relative_to(ROOT)), id) for path in FILES for id in NAMED.findall(path.read_text("utf-8"))}
    assert sorted(row for row in named if row[1] not in IDS) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("lua/*.lua")), ids=lambda path: path.name)
def test_heads_of_scripts_name_families(path: Path) -> None:
    (named,) = re.findall(r"^-- IMPLEMENTS: (.*)$", path.read_text(), re.MULTILINE)
    assert set(named.split(", ")) - FAMILIES - IDS == set()


def test_every_requirement_has_a_reason() -> None:
    text = (ROOT / "docs/rationale.md").read_text("utf-8")
    entries = set(NAMED.findall(text)) | set(re.findall(r"^#+ ([A-Z]+)\b[^\n]*\n\n(?=\w)", text, re.MULTILINE))
    assert [id for id in sorted(IDS) if id not in entries and id.partition("-")[0] not in entries] == []


def test_reasons_are_for_requirements() -> None:
    headings = re.findall(r"^## ([A-Z]+)\b", (ROOT / "docs/rationale.md").read_text("utf-8"), re.MULTILINE)
    assert set(headings) == FAMILIES
