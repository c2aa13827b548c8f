package jobwire;

/** The server's time: that of the last claim, and what has passed since. */
final class Clock {
  private volatile long aheadMs;

  void set(long serverMs) {
    aheadMs = serverMs - monotonicMs();
  }

  long now() {
    return monotonicMs() + aheadMs;
  }

  static long monotonicMs() {
    return System.nanoTime() / 1_000_000;
  }
}
