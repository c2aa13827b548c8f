"""Manifests: what is read, and what is refused."""

import datetime
import sys
from pathlib import Path

import pytest

from jobwire_conformance.manifest import KnownFailing, ManifestError, load

GOOD = """
manifest = 1
name = "jobwire-go"
version = "0.3.0"
language = "Go"
spec = "1.0"
profiles = ["core", "cancel"]
"""
WORKER = '[worker]\ncommand = ["./worker", "{python}"]\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "jobwire.toml"
    path.write_text(text)
    return path


def test_a_manifest_is_read(tmp_path: Path) -> None:
    manifest = load(write(tmp_path, f'{GOOD}setup = ["make"]\n{WORKER}[env]\nA = "b"\n'))
    assert ("jobwire-go", "0.3.0", "Go", "1.0", ("core", "cancel")) == (
        manifest.name, manifest.version, manifest.language, manifest.spec, manifest.profiles,
    )  # fmt: skip
    assert (("./worker", sys.executable), None, ("make",)) == (manifest.worker, manifest.codec, manifest.setup)
    assert ("worker",) == manifest.roles
    assert ({"A": "b"}, 10_000, tmp_path, 64) == (
        manifest.env, manifest.startup_ms, manifest.folder, len(manifest.digest),
    )  # fmt: skip


def test_a_folder_stands_for_its_manifest(tmp_path: Path) -> None:
    write(tmp_path, GOOD + WORKER)
    assert tmp_path / "jobwire.toml" == load(tmp_path).path


@pytest.mark.parametrize("until", ["2027-03-01", '"2027-03-01"'])
def test_a_case_can_be_known_to_fail(tmp_path: Path, until: str) -> None:
    known = f'[[known_failing]]\ncase = "a/b/c"\nreason = "issue 12"\nuntil = {until}\n'
    manifest = load(write(tmp_path, GOOD + WORKER + known))
    assert (KnownFailing("a/b/c", "issue 12", datetime.date(2027, 3, 1)),) == manifest.known_failing


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("'nmae' was unexpected", GOOD + 'nmae = "x"\n' + WORKER),
        ("'name' is a required property", GOOD.replace('name = "jobwire-go"', "") + WORKER),
        ("wanted at least one of [codec], [producer], [worker]", GOOD),
        ("profiles: wanted core among the profiles", GOOD.replace('"core", ', "") + WORKER),
        ("profiles.1: 'frobnicate' is not one of", GOOD.replace('"cancel"', '"frobnicate"') + WORKER),
        ("spec: '2.0' is not one of", GOOD.replace('spec = "1.0"', 'spec = "2.0"') + WORKER),
        ("manifest: 1 was expected", GOOD.replace("manifest = 1", "manifest = 2") + WORKER),
        ("worker.command: [] should be non-empty", GOOD + "[worker]\ncommand = []\n"),
        ("worker.command: './worker' is not of type 'array'", GOOD + '[worker]\ncommand = "./worker"\n'),
        ("'until' is a required property", GOOD + WORKER + '[[known_failing]]\ncase = "a"\nreason = "b"\n'),
        ("known_failing of a: until", GOOD + WORKER + '[[known_failing]]\ncase="a"\nreason="b"\nuntil="2027-02-30"\n'),
        ("jobwire.toml: ", "manifest = \n"),
    ],
)
def test_a_manifest_is_refused(tmp_path: Path, message: str, text: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load(write(tmp_path, text))
    assert message in str(caught.value)


def test_no_manifest_is_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        load(tmp_path)
