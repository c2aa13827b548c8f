"""The handlers of all examples: `jobwire worker app:app --queues default,low-priority,reports`."""

import itertools
import time
from collections import defaultdict

from jobwire import Jobwire, Retry, current_job

app = Jobwire()  # at JOBWIRE_REDIS_URL, or redis://localhost:6379/0
numbers = itertools.count(1)
began = defaultdict(list)


@app.job("sum")
def sum_of(numbers):
    return sum(numbers)


@app.job("add")
def add(x, y):
    return x + y


@app.job("total")
def total(outcomes):
    """Add up a group: the argument is the outcomes of its members, in order."""
    return sum(outcome["result"] for outcome in outcomes)


@app.job("bill")
def bill(price, name):
    return f"{name} pays {price}"


@app.job("sleep")
def sleep(seconds):
    time.sleep(seconds)


@app.job("order")
def order():
    """Return 1 for the first of these jobs that this worker runs, 2 for the second, and so on."""
    return next(numbers)


@app.job("unreliable", retry=Retry(max_attempts=3, delay_ms=200, factor=2, jitter=0))
def unreliable():
    """Fail twice; then return the seconds that passed between the attempts."""
    job = current_job()
    began[job.id].append(time.monotonic())
    if job.attempt < 3:
        raise ConnectionError("nobody answers")
    return [later - earlier for earlier, later in itertools.pairwise(began.pop(job.id))]


@app.job("report")
def report():
    """Get stuck at the first attempt, so that there is time to kill the worker."""
    if current_job().attempt == 1:
        time.sleep(60)
    return f"written at attempt {current_job().attempt}"


@app.job("crawl")
def crawl(pages):
    """Report progress page by page, and stop when cancelled."""
    job = current_job()
    for page in range(1, pages + 1):
        if job.cancelled:
            raise InterruptedError(f"stopped at page {page}")
        job.progress(page=page, of=pages)
        time.sleep(0.05)
    return pages


@app.job("greet")
async def greet(name):
    return f"hello, {name}"
