"""What a terminal shows: failures at once, and at the end what was claimed, what broke, and what to do."""

import io
import re
from collections.abc import Iterable
from typing import Any

import pytest

from jobwire_conformance.model import CaseResult, Check, Status
from jobwire_conformance.report.explain import failure
from jobwire_conformance.report.stream import Entry, entry
from jobwire_conformance.report.terminal import Progress, last_screen
from jobwire_conformance.report.text import of_bytes, short, visible
from jobwire_conformance.report.timeline import around, command, history, reply, wire
from jobwire_conformance.selftest import matrix

from .report_samples import HOSTILE, T0, cases, failed, footer, header, passed


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def followed(out: io.StringIO, results: Iterable[CaseResult], verbose: bool = False) -> Progress:
    found = list(results)
    progress = Progress(out, "go/jobwire.toml", len(found), verbose)
    for record in [header(), *({"kind": "case", **case.record()} for case in found), footer(found)]:
        progress.take(record)
    return progress


def screen(results: Iterable[CaseResult], report: str | None = None, **members: Any) -> str:
    progress = followed(io.StringIO(), results)
    head = {**progress.header, **members}
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(last_screen(head, progress.cases, report, whole=False)))


def test_a_line_for_what_did_not_pass() -> None:
    out = io.StringIO()
    followed(out, cases())
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("jobwire-go 0.3.0 against SPEC.md 1.0, corpus c0c0c0c0c0c0")
    assert "FAIL  worker/run/settles-after-handler  RUN-8: order of start, end and settle" == lines[1]
    assert ["FAIL", "WARN", "SLOW", "KNOWN", "STALE", "ERROR"] == [line.split()[0] for line in lines[1:]]


def test_verbose_adds_what_passed() -> None:
    out = io.StringIO()
    followed(out, cases(), verbose=True)
    assert "PASS  codec/json/minimal" in out.getvalue()


def test_no_line_is_drawn_again_where_nobody_watches() -> None:
    out = io.StringIO()
    followed(out, cases())
    assert not set("\r\x1b") & set(out.getvalue())


def test_a_terminal_sees_it_count() -> None:
    out = Terminal()
    followed(out, cases())
    assert "\r\x1b[K1/10  1 pass  0 s" in out.getvalue()
    assert out.getvalue().endswith("\r\x1b[K")


def test_the_last_screen_says_what_was_claimed() -> None:
    lines = screen(cases()).splitlines()
    at = lines.index("jobwire-go 0.3.0")
    assert ["core", "cancel", "progress", "workflow"] == lines[at + 1].split()
    assert ["worker", "2/7", "–", "not", "claimed", "not", "claimed"] == lines[at + 4].split()


def test_a_failure_comes_with_its_rule_its_facts_and_the_wire() -> None:
    text = screen(cases())
    for expected in (
        "RUN-8 MUST, SPEC.md#92-running",
        '  "A worker MUST settle `retry` after',
        "  FAIL worker/run/settles-after-handler: A run is settled when its handler has ended.",
        "    fail RUN-8: order of start, end and settle at +12.2 ms",
        "      expected log end, then settle",
        "          +0.0 A> claim {default} nnnnnnnnnnnnnnnn 15000 1 1",
        "         +13.2 A· handler start id=j",
        "    rerun: jobwire-conformance run go/jobwire.toml --case worker/run/settles-after-handler --verbose",
    ):
        assert expected in text


def test_nothing_in_a_job_is_obeyed() -> None:
    text = screen(cases())
    assert "\\x1b[31m\\u202e" in text
    assert not set("\x1b\u202e\ud800") & set(text)


def test_what_is_not_a_failure_is_said_too() -> None:
    text = screen(cases())
    for expected in ("warn: 1", "slow: 1", "known: 1", "not run: 1", "CLAIM-2: releases after 100 ms"):
        assert expected in text


GOOD = passed("a", "ENC-1")
LEFT_OUT = passed("b", "ENC-1", status=Status.NOT_RUN, reason="left out by a filter", checks=())


@pytest.mark.parametrize(
    ("verdict", "following", "results", "filters"),
    [
        ("conforms (1 pass)", "--report run.ndjson keeps all", [GOOD], {}),
        ("does not conform (", "show worker/run/settles-after-handler", cases(), {}),
        ("no verdict (1 pass, 1 left out)", "run without filters", [GOOD, LEFT_OUT], {"cases": ["a"]}),
        ("no verdict (1 pass, 1 not run)", "mend what kept", [GOOD, cases()[8]], {}),
        ("the suite is at fault (1 error)", "a mistake of the suite", [cases()[9]], {}),
        ("no verdict (1 pass)", "run go/jobwire.toml runs all", [GOOD], {"smoke": True}),
        ("does not conform (", "look at manifest, adapter and worker first", [failed()], {"smoke": True}),
    ],
)
def test_the_end_says_the_verdict_and_what_to_do(
    verdict: str, following: str, results: list[CaseResult], filters: dict[str, Any]
) -> None:
    lines = screen(results, filters=filters).splitlines()
    [at] = [number for number, line in enumerate(lines) if line.startswith("jobwire-go 0.3.0: ")]
    assert lines[at].startswith(f"jobwire-go 0.3.0: {verdict}")
    assert following in "\n".join(lines[at + 1 :])


def test_what_was_left_out_is_counted_only() -> None:
    assert LEFT_OUT.id not in screen([GOOD, LEFT_OUT], filters={"cases": ["a"]}).split()


def test_many_failures_are_not_all_told_in_full() -> None:
    text = screen([passed(f"worker/x/{n}", "RUN-8", status=Status.FAIL, checks=(FAILED,) * 5) for n in range(30)])
    assert 10 == text.count("rerun: ")
    assert "    and 3 more of RUN-8: order" in text


FAILED = Check("RUN-8", "order", Status.FAIL, "a", "b", at=T0)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    here = ("worker/run/settles-after-handler", "RUN-8")
    entries = [
        matrix.Entry("W1", "Settles before it runs.", here[0], ("RUN-8",), (here, ("worker/other", "RUN-1"))),
        matrix.Entry(
            "W2", "Never runs anything.", here[0], ("RUN-8",), (here, *((f"c{n}", "RUN-1") for n in range(9)))
        ),
        matrix.Entry("W3", "Breaks more of the case.", here[0], ("RUN-8",), (here, (here[0], "LEASE-1"))),
    ]
    found = {one.mutant: one for one in entries}
    monkeypatch.setattr("jobwire_conformance.report.likeness.load_matrix", lambda: found)


@pytest.mark.usefixtures("known")
def test_a_failure_is_likened_to_a_mistake_that_is_known() -> None:
    case = entry(failed().record())
    lines = list(failure(header(), case, case.checks[1:], [], whole=False))
    assert "  could be: Settles before it runs. (W1)" in lines


@pytest.mark.usefixtures("known")
def test_what_nothing_known_fails_is_likened_to_nothing() -> None:
    case = entry(passed("worker/else", "RUN-1", status=Status.FAIL, checks=(FAILED,)).record())
    assert not [line for line in failure(header(), case, case.checks, [], whole=False) if "could be" in line]


def case() -> Entry:
    return entry(failed().record())


def test_the_wire_in_order_of_time() -> None:
    found = wire(case())
    assert sorted(found, key=lambda one: one.at) == found
    assert ["A> claim", "A< [1, 0", "A> settle", "A< [1, '", "A> enqueue", "A< [1, '"] == [
        f"{one.who}{one.sign} {one.text}"[: 9 if one.text.startswith("settle") else 8 + 2 * (one.text[:3] == "enq")]
        for one in found
    ]


def test_bytes_that_are_no_text_are_escapes() -> None:
    last = wire(case())[-2:]
    assert "enqueue {default} k \\x87\\xa7jobwire\\xa31.0 0 3 4" == last[0].text
    assert "[1, '\\x87\\xa7']" == last[1].text


def test_what_is_long_is_cut() -> None:
    assert "…" in wire(case(), limit=20)[2].text


def test_the_history_has_handlers_and_processes() -> None:
    found = history(case())
    assert "settle queue=default id=j verb=succeed" == found[0].text
    assert f"handler start id=j type={visible(HOSTILE)} attempt=1 run=1" == found[1].text
    assert ("A", "·", "process exited status=-9") == (found[2].who, found[2].sign, found[2].text)


def test_around_an_instant() -> None:
    assert ["settle", "[1,", "handler"] == [one.text.split()[0] for one in around(case(), T0 + 13.2, before=1, after=2)]


def test_without_an_instant_the_end_is_told() -> None:
    assert "process exited status=-9" == around(case(), None)[-1].text


@pytest.mark.parametrize(
    ("expected", "parts"),
    [
        ("BLPOP c1:{default}:wake 2", [b"BLPOP", b"c1:{default}:wake", b"2"]),
        ("SET k ''", [b"SET", b"k", b""]),
        ("SET k 'a b'", [b"SET", b"k", b"a b"]),
        ("EVALSHA 00 0 x", [b"EVALSHA", b"00", b"0", b"x"]),
        ("SCRIPT LOAD 'return 1'", [b"SCRIPT", b"LOAD", b"return 1"]),
        ("SCRIPT LOAD settle.lua", [b"SCRIPT", b"LOAD", b"-- settle: end runs"]),
        ("", []),
    ],
)
def test_a_command_as_a_person_writes_it(expected: str, parts: list[bytes]) -> None:
    if expected == "SCRIPT LOAD settle.lua":
        from jobwire_conformance.binding import SCRIPTS

        parts = [*parts[:2], SCRIPTS["settle"][:400] + "… (9999 bytes)".encode()]
    assert expected == command(parts, 100)


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("'PONG'", "+PONG\r\n"),
        ("error NOSCRIPT No matching script.", "-NOSCRIPT No matching script.\r\n"),
        ("nil", "$-1\r\n"),
        ("{'server': 'valkey', 'modules': []}", "%2\r\n$6\r\nserver\r\n$6\r\nvalkey\r\n$7\r\nmodules\r\n*0\r\n"),
        ("[1, ['a', 2]]", "*2\r\n:1\r\n*2\r\n$1\r\na\r\n:2\r\n"),
        ("*2\\r\\n$900\\r\\nabc… (970 bytes)", "*2\r\n$900\r\nabc… (970 bytes)"),
        ("", ""),
    ],
)
def test_a_reply_on_a_line(expected: str, value: str) -> None:
    assert expected == reply(value, 100)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("a\\nb\\x1b", "a\nb\x1b"),
        ("\\u202ex", "\u202ex"),
        ("\\ud800", "\ud800"),
        ("\\ufdd0", "\ufdd0"),
        ("\\U0010ffff", "\U0010ffff"),
        ("é 漢 😀", "é 漢 😀"),
    ],
)
def test_what_cannot_be_seen_is_an_escape(expected: str, text: str) -> None:
    assert expected == visible(text)


def test_bytes_are_text_where_they_can_be() -> None:
    assert "é\\xff\\x00" == of_bytes("é".encode() + b"\xff\x00")


def test_a_long_text_keeps_both_ends() -> None:
    assert f"{'a' * 75}…100 more…{'b' * 25}" == short("a" * 100 + "b" * 100, 100)
