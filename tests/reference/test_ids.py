"""Ids and nonces, bit by bit."""

import re
import time
import uuid

import pytest

from jobwire.envelope import check_id
from jobwire.ids import new_id, new_nonce

MANY = 2000


@pytest.fixture(scope="module")
def ids() -> list[uuid.UUID]:
    return [uuid.UUID(new_id()) for _ in range(MANY)]


def test_an_id_is_a_uuid_of_version_7(ids: list[uuid.UUID]) -> None:
    assert {(7, uuid.RFC_4122)} == {(each.version, each.variant) for each in ids}


def test_an_id_has_the_grammar_of_an_id() -> None:
    text = new_id()
    assert text == check_id(text, "id") == str(uuid.UUID(text)) == text.lower()


def test_an_id_begins_with_its_millisecond() -> None:
    before = time.time_ns() // 1_000_000
    stamp = uuid.UUID(new_id()).int >> 80
    assert before <= stamp <= time.time_ns() // 1_000_000


def test_every_other_bit_is_random(ids: list[uuid.UUID]) -> None:
    fixed = (0xF << 76) | (0x3 << 62)
    for bit in (bit for bit in range(80) if not fixed >> bit & 1):
        ones = sum(each.int >> bit & 1 for each in ids)
        assert MANY * 0.4 < ones < MANY * 0.6, bit


def test_ids_and_nonces_differ(ids: list[uuid.UUID]) -> None:
    assert len(set(ids)) == MANY
    assert len({new_nonce() for _ in range(MANY)}) == MANY


def test_a_nonce_has_more_than_96_bits_in_the_grammar_of_a_record() -> None:
    nonce = new_nonce()
    assert (len(nonce) * 4, re.fullmatch(r"[0-9a-f]{40}", nonce) is not None) == (160, True)


def test_a_nonce_makes_a_record_longer_than_the_servers_compact_lists_hold() -> None:
    assert len(f"1 3 4 1 - {new_nonce()} {4 * 2**48}") > 64
