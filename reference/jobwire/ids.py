"""Ids for jobs and nonces for claims."""

from __future__ import annotations

import os
import time


def new_id() -> str:
    """Return a fresh UUIDv7: sorted by time, 74 random bits."""
    random = int.from_bytes(os.urandom(10), "big")
    stamp = time.time_ns() // 1_000_000 & 0xFFFF_FFFF_FFFF
    high = stamp << 16 | 0x7000 | random >> 68
    low = 0x8000_0000_0000_0000 | random & 0x3FFF_FFFF_FFFF_FFFF
    text = f"{high:016x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_nonce() -> str:
    """Return 160 fresh random bits in hex. [CLAIM-1]

    96 would do; but a record of over 64 bytes makes the server keep all records of the queue in a hash table,
    and not in a list that it searches from the start for every one.
    """
    return os.urandom(20).hex()
