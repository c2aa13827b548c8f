"""Put garbage into the queue with the raw script: the job fails, the bytes are kept, the worker lives on.

Prints:
    the garbage failed: malformed
    add(1, 2) = 3, by the same worker
"""

import uuid
from importlib.resources import files

import redis
from app import add, app

enqueue = (files("jobwire") / "lua" / "enqueue.lua").read_bytes()
names = ["jobs", "record", "ready", "scheduled", "active", "failed", "outcomes", "progress", "control", "wake"]
keys = ["jobwire:{default}:" + name for name in names]

with redis.Redis.from_url(app.url) as client:
    bad_id = f"bad-{uuid.uuid4()}"
    keys.append(f"jobwire:{{default}}:result:{bad_id}")
    client.eval(enqueue, len(keys), *keys, bad_id, b'{"jobwire":"1.0","id":', 0, 3, 4)

bad = app.handle(bad_id).outcome(timeout=10)
print(f"the garbage {bad.state.value}: {bad.error.code}")

good = add.enqueue(1, 2).outcome(timeout=10)
same = "the same worker" if good.worker == bad.worker else "another worker"
print(f"add(1, 2) = {good.result}, by {same}")
