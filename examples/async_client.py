"""Enqueue from an event loop, by the names of the handlers alone: a producer needs none of the worker's code.

Prints:
    hello, Ann
    hello, Ben
    add(4, 4) = 8
"""

import asyncio

from jobwire import AsyncJobwire


async def main():
    async with AsyncJobwire() as app:
        greetings = [await app.enqueue("greet", name) for name in ("Ann", "Ben")]
        for text in await asyncio.gather(*[handle.result(timeout=10) for handle in greetings]):
            print(text)

        handle = await app.enqueue("add", 4, 4)
        print("add(4, 4) =", await handle.result(timeout=10))


asyncio.run(main())
