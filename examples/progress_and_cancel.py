"""Watch a running job, then ask it to stop.

Prints:
    crawling: page ... of 1000
    asked to stop: requested
    ended as: cancelled
"""

import time

from app import crawl

handle = crawl.enqueue(1000)
while (progress := handle.progress()) is None:
    time.sleep(0.05)

print(f"crawling: page {progress['page']} of {progress['of']}")
print("asked to stop:", handle.cancel())
print("ended as:", handle.outcome(timeout=10).state.value)
