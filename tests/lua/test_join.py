"""join: a group is complete once, and every later call says so again."""

import pytest
import redis

from tests.lua.binding import Queue, dump

MIB = 1_048_576


@pytest.mark.parametrize("order", ["012", "210", "102", "0012", "211100"])
def test_values_come_in_index_order_whatever_order_they_came_in(queue: Queue, order: str) -> None:
    *_, last = [queue.join("g", int(index), 3, f"v{index}".encode()) for index in order]
    assert last == (3, 3, [b"v0", b"v1", b"v2"])
    assert queue.join("g", 1, 3, b"again") == last


def test_counts_and_the_first_value_of_an_index(queue: Queue) -> None:
    assert queue.join("g", 0, 2, b"first") == (1, 2, [])
    assert queue.join("g", 0, 2, b"second") == (1, 2, [])
    assert queue.join("g", 1, 2, b"\x80\x00") == (2, 2, [b"first", b"\x80\x00"])
    assert queue.join("other", 1, 2, b"v") == (1, 2, [])


@pytest.mark.parametrize("size", [1, 1000])
def test_the_ends_of_the_sizes(queue: Queue, size: int) -> None:
    *_, last = [queue.join("g", index, size, str(index).encode()) for index in range(size)]
    assert last == (size, size, [str(index).encode() for index in range(size)])


@pytest.mark.parametrize("sizes", [(2, 3), (3, 2), (1, 2)])
def test_another_size_is_an_error_and_changes_nothing(queue: Queue, sizes: tuple[int, int]) -> None:
    queue.join("g", 0, sizes[0], b"v")
    before = dump(queue.client)
    with pytest.raises(redis.ResponseError, match=r"^JOBWIRE_ARGUMENT size"):
        queue.join("g", 0, sizes[1], b"v")
    assert dump(queue.client) == before


@pytest.mark.parametrize(
    ("counts", "values"),
    [
        ([1, 2], [MIB // 2, MIB // 2]),
        ([1, -1, 2], [MIB // 2, MIB // 2 + 1, 1]),
        ([1, -1], [MIB, 1]),
        ([-1, 1], [MIB + 1, MIB]),
    ],
)
def test_a_group_holds_at_most_1_mib(queue: Queue, counts: list[int], values: list[int]) -> None:
    indexes = [counts[:at].count(1) + counts[:at].count(2) for at in range(len(counts))]
    assert [queue.join("g", i, 2, b"v" * n)[0] for i, n in zip(indexes, values, strict=True)] == counts


def test_too_much_is_said_before_any_write_and_again(queue: Queue) -> None:
    assert [queue.join("g", 0, 2, b"v" * (MIB + 1)) for _ in range(2)] == [(-1, 2, [])] * 2
    assert dump(queue.client) == {}


def test_each_call_renews_the_ttl_even_a_resent_one(queue: Queue) -> None:
    for index, ttl_ms in [(0, 10_000), (1, 90_000), (0, 50_000), (2, 20_000)]:
        queue.join("g", index, 4, b"v", ttl_ms=ttl_ms)
        assert ttl_ms - 5000 < queue.client.pttl(queue.key("join:g")) <= ttl_ms


def test_a_group_writes_its_one_key_only(queue: Queue) -> None:
    queue.join("g", 0, 1, b"v")
    assert dump(queue.client) == {queue.key("join:g"): {b"size": b"1", b"bytes": b"1", b"0": b"v"}}
