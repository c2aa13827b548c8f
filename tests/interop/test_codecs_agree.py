"""All codecs accept and reject the same envelopes, with the same class, a bad field and the same values.

Run by `make interop`, as it needs the toolchains of all languages. An envelope about which it fails belongs into
the vectors of the conformance suite.
"""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from jobwire_conformance.adapter import Adapter
from jobwire_conformance.codec.jobs import answered, differences
from jobwire_conformance.manifest import Manifest, load
from jobwire_conformance.run import set_up

from .envelopes import envelope
from .expected import Expected, expected

ROOT: Final = Path(__file__).parents[2]
CODECS: Final = (
    "reference/conformance",
    "conformance/jobwire_conformance/specimen",
    *(f"examples/workers/{language}" for language in ("typescript", "go", "rust", "java")),
)
SEED, COUNT, IN_FLIGHT = 1, 2000, 32


@pytest.fixture(scope="module")
def cases() -> list[tuple[bytes, Expected]]:
    chance = Random(SEED)
    envelopes = [envelope(chance) for _ in range(COUNT)]
    return [(data, expected(data)) for data in envelopes]


def test_envelopes_are_of_all_kinds(cases: list[tuple[bytes, Expected]]) -> None:
    certain = Counter(case.code for _, case in cases if not case.may_be_malformed)
    assert certain.total() > COUNT * 0.75
    assert min(certain[code] for code in ("", "malformed", "unsupported_version", "invalid")) >= 20


@pytest.mark.parametrize("folder", CODECS)
def test_a_codec_does_as_all_do(folder: str, cases: list[tuple[bytes, Expected]]) -> None:
    answers = asyncio.run(decoded(load(ROOT / folder), [data for data, _ in cases]))
    wrong = [(data[:400], *complaint) for (data, case), answer in zip(cases, answers, strict=True)
             for complaint in complaints(case, answer)]  # fmt: skip
    assert wrong == []


async def decoded(manifest: Manifest, envelopes: list[bytes]) -> list[dict[str, Any]]:
    """Build the codec, if it has to be, and return its answers."""
    assert manifest.codec is not None
    await set_up(manifest)
    adapter = Adapter()
    await adapter.start(manifest.codec, manifest.folder, manifest.env)
    room = asyncio.Semaphore(IN_FLIGHT)

    async def ask(data: bytes) -> dict[str, Any]:
        async with room:
            return await adapter.ask("decode", bytes=base64.b64encode(data).decode())

    try:
        await adapter.ask("hello", manifest.startup_ms)
        return await asyncio.gather(*map(ask, envelopes))
    finally:
        await adapter.close()


def complaints(case: Expected, answer: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield what was wanted and what came, where they differ."""
    error = answer.get("error", {})
    code = error.get("code", "" if "job" in answer else "no answer")
    if (code == "malformed" and case.may_be_malformed) or case.may_be_anything:
        return
    if code != case.code:
        yield case, answer
    elif code == "invalid" and error.get("field") not in case.fields:
        yield sorted(case.fields), error
    elif not code:
        yield from (
            (f"{where}: {wanted}", got) for where, wanted, got in differences(case.job, answered(answer["job"]))
        )
