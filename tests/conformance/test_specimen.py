"""The specimen stands on its own, and so do the implementations that do nothing."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobwire_conformance.manifest import load
from jobwire_conformance.selftest.mutants import NULLS, SPECIMEN, load_mutants

LIBRARIES = {"hiredis", "msgpack"}
OWN = {path.stem for folder in (SPECIMEN, NULLS) for path in folder.glob("*.py")}
SOURCES = sorted([*SPECIMEN.glob("*.py"), *NULLS.glob("*.py")])
MANIFESTS = sorted([*SPECIMEN.glob("*.toml"), *NULLS.glob("*.toml")])


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_it_needs_two_libraries_and_itself(path: Path) -> None:
    assert set() == set(imported(path)) - LIBRARIES - OWN - set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_its_manifest_names_programs_that_are_there(path: Path) -> None:
    manifest = load(path)
    commands = [command for role in manifest.roles if (command := manifest.command(role)) is not None]
    assert [] == [command for command in commands if not (path.parent / command[1]).is_file()]


def test_no_profile_is_claimed_that_the_command_line_does_not_name() -> None:
    core = load(SPECIMEN / "core.toml")
    assert ("core",) == tuple(core.profiles)
    assert all(core.command(role)[-2:] == ("--profiles", "core") for role in core.roles)  # type: ignore[index]


def test_every_mistake_is_another() -> None:
    changes = [(each.file, each.find, each.replace, each.manifest, each.case) for each in load_mutants()]
    assert sorted(changes) == sorted(set(changes))
