"""Frames, cut at every place."""

import pytest

from jobwire_conformance.wire import resp

FRAMES = [
    b"+OK\r\n",
    b"-ERR no\r\n",
    b":5\r\n",
    b"$3\r\na\r\n\r\n",
    b"$-1\r\n",
    b"$0\r\n\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*2\r\n*1\r\n$1\r\nx\r\n:1\r\n",
    b"%1\r\n+a\r\n*2\r\n:1\r\n_\r\n",
    b"~2\r\n#t\r\n,1.5\r\n",
    b"|1\r\n+ttl\r\n:9\r\n$1\r\nx\r\n",
    b"=5\r\ntxt:x\r\n",
    b"!3\r\nERR\r\n",
    b"(123\r\n",
    b">3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$1\r\nm\r\n",
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
def test_frames_come_out_whole_however_the_bytes_come(size: int) -> None:
    stream, frames, found = b"".join(FRAMES), resp.Frames(), []
    for at in range(0, len(stream), size):
        found += frames.feed(stream[at : at + size])
    assert FRAMES == found


def test_a_big_value_is_not_read_again_for_each_piece() -> None:
    frames, piece = resp.Frames(), b"x" * 65536
    assert [] == frames.feed(b"$%d\r\n" % (len(piece) * 64))
    assert not any(frames.feed(piece) for _ in range(64))
    assert 1 == len(frames.feed(b"\r\n"))


@pytest.mark.parametrize("data", [b"$x\r\n", b"*1 \r \n\r\n"])
def test_what_is_no_resp_is_an_error(data: bytes) -> None:
    with pytest.raises(resp.ProtocolError):
        resp.Frames().feed(data)


def test_a_command_has_parts() -> None:
    assert [b"GET", b"a\r\nb"] == resp.command(b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n")
    assert [b"PING"] == resp.command(b"PING\r\n")
    assert [] == resp.command(b"\r\n")
    with pytest.raises(resp.ProtocolError):
        resp.command(b"*1\r\n:1\r\n")


@pytest.mark.parametrize(
    ("expected", "frame", "listens"),
    [
        (True, b">3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$1\r\nm\r\n", False),
        (True, b"*3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$1\r\nm\r\n", True),
        (False, b"*3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$1\r\nm\r\n", False),
        (False, b">3\r\n$10\r\nssubscribe\r\n$1\r\nc\r\n:1\r\n", True),
        (True, b">2\r\n$10\r\ninvalidate\r\n*0\r\n", False),
        (False, b"*1\r\n:5\r\n", True),
    ],
)
def test_messages_answer_no_command(expected: bool, frame: bytes, listens: bool) -> None:
    assert expected == resp.is_push(frame, listens)
