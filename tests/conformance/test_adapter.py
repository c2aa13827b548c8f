"""Programs in their own groups, and adapters that answer, are silent, or fall over."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from jobwire_conformance.adapter import Adapter, AdapterError
from jobwire_conformance.processes import CommandMissing, Program
from tests.servers import until

pytestmark = pytest.mark.asyncio

ANSWERS = """
import json, sys, os
held = []
for line in sys.stdin:
    request = json.loads(line)
    op, ref = request["op"], request["ref"]
    if op == "hold":
        held.append(ref)
    elif op == "both":
        for each in (ref, *held):
            print(json.dumps({"ref": each, "of": each}), flush=True)
    elif op == "echo":
        print(json.dumps({"ref": ref, "got": request["value"]}), flush=True)
    elif op == "garble":
        print("not JSON", flush=True)
    elif op == "other":
        print(json.dumps({"ref": 999}), flush=True)
    elif op == "die":
        print("oh no", file=sys.stderr, flush=True)
        os._exit(3)
"""


@pytest_asyncio.fixture
async def adapter(tmp_path: Path) -> AsyncIterator[Adapter]:
    adapter = Adapter()
    await adapter.start([sys.executable, "-c", ANSWERS], tmp_path, {})
    yield adapter
    await adapter.kill()


async def test_it_answers(adapter: Adapter) -> None:
    assert {"got": ["é", 1]} == await adapter.ask("echo", value=["é", 1])


async def test_large_requests_and_answers_pass(adapter: Adapter) -> None:
    large = "x" * 3_000_000
    assert {"got": large} == await adapter.ask("echo", value=large)


async def test_answers_come_in_any_order(adapter: Adapter) -> None:
    first, second = adapter.begin("hold"), adapter.begin("both")
    assert [{"of": 1}, {"of": 2}] == [await adapter.answer(first, 10_000), await adapter.answer(second, 10_000)]


async def test_silence_is_told_and_its_late_answer_ignored(adapter: Adapter) -> None:
    with pytest.raises(AdapterError, match="wanted an answer within 50 ms, got none"):
        await adapter.ask("hold", timeout_ms=50)
    assert {"of": 2} == await adapter.ask("both")
    assert adapter.running


@pytest.mark.parametrize(
    ("message", "op"),
    [
        ("wanted a JSON object with the ref", "garble"),
        ("wanted the ref of a request", "other"),
        ("status 3", "die"),
    ],
)
async def test_what_is_no_answer_is_told_to_all_who_wait(adapter: Adapter, message: str, op: str) -> None:
    waits = adapter.begin("hold")
    with pytest.raises(AdapterError, match=message):
        await adapter.ask(op)
    with pytest.raises(AdapterError, match=message):
        await waits
    with pytest.raises(AdapterError):
        await adapter.ask("echo", value=1)


async def test_standard_error_is_kept(adapter: Adapter) -> None:
    with pytest.raises(AdapterError):
        await adapter.ask("die")
    await adapter.program.exited(10)
    assert "oh no\n" == adapter.stderr_tail


async def test_it_ends_with_its_input(adapter: Adapter) -> None:
    await adapter.ask("echo", value=1)
    assert 0 == await adapter.close()


async def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandMissing, match="no-such-program: No such file"):
        await Program(lambda line: None).start(["./no-such-program"], tmp_path, {})


async def test_a_group_is_ended_as_a_whole(tmp_path: Path) -> None:
    children: list[int] = []
    program = Program(lambda line: children.append(int(line)))
    await program.start(["sh", "-c", "sleep 1000 & echo $!; wait"], tmp_path, {})
    await asyncio.to_thread(until, lambda: children)
    await program.kill()
    assert -signal.SIGKILL == program.status
    await asyncio.to_thread(until, _gone(children[0]))


async def test_what_is_left_of_a_group_ends_with_its_leader(tmp_path: Path) -> None:
    children: list[int] = []
    program = Program(lambda line: children.append(int(line)))
    await program.start(["sh", "-c", "sleep 1000 & echo $!; exit 7"], tmp_path, {})
    assert 7 == await program.exited(10)
    await program.kill()
    await asyncio.to_thread(until, _gone(children[0]))


SUITE = """
import asyncio, sys
from pathlib import Path
from jobwire_conformance.processes import Program

async def main():
    program = Program(lambda line: print(line.decode(), flush=True))
    await program.start(["sh", "-c", "sleep 1000 & echo $!; wait"], Path("."), {})
    await program.exited(None)

asyncio.run(main())
"""


async def test_what_runs_ends_with_a_suite_that_is_killed() -> None:
    suite = await asyncio.create_subprocess_exec(sys.executable, "-c", SUITE, stdout=asyncio.subprocess.PIPE)
    assert suite.stdout is not None
    child = int(await asyncio.wait_for(suite.stdout.readline(), 20))
    suite.kill()
    await asyncio.to_thread(until, _gone(child))
    # Its output ends with the last of those who hold it.
    await suite.communicate()


async def test_the_end_of_standard_error_is_bounded(tmp_path: Path) -> None:
    program = Program(lambda line: None)
    await program.start([sys.executable, "-c", "import sys; sys.stderr.write('x' * 100000 + 'end')"], tmp_path, {})
    await program.exited(10)
    await program.kill()
    assert program.stderr_tail.endswith("end")
    assert 16_384 == len(program.stderr_tail)


def _gone(pid: int) -> Callable[[], bool]:
    def look() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # Whoever adopts the dead child may not have looked after it yet.
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z"

    return look
