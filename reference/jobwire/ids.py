"""Identifiers and nonces from the system's randomness."""

from __future__ import annotations

import os
import time

_BATCH = 128
# What follows the time in the next ids; a child process must not use those of its parent.
_tails: list[str] = []
os.register_at_fork(after_in_child=_tails.clear)


def new_id() -> str:
    """Return a fresh UUIDv7: sorted by time, 74 random bits."""
    stamp = time.time_ns() // 1_000_000 & 0xFFFF_FFFF_FFFF
    try:
        tail = _tails.pop()
    except IndexError:
        tail = _refill()
    return f"{stamp >> 16:08x}-{stamp & 0xFFFF:04x}-7{tail}"


def _refill() -> str:
    """Ask the system for the randomness of many ids at once, as asking takes longer than all else."""
    text = os.urandom(10 * _BATCH).hex()
    for at in range(0, len(text), 20):
        variant = "89ab"[int(text[at + 3], 16) & 3]
        _tails.append(f"{text[at : at + 3]}-{variant}{text[at + 4 : at + 7]}-{text[at + 7 : at + 19]}")
    return _tails.pop()


def new_nonce() -> str:
    """Return 160 fresh random bits in hex. [CLAIM-1]

    96 would do; but a record of over 64 bytes makes the server keep all records of the queue in a hash table,
    and not in a list that it searches from the start for every one.
    """
    return os.urandom(20).hex()
