package jobwire;

/** How many handlers run; a slot is taken until its handler returns. [RETRY-9] */
final class Slots {
  private final int all;
  private int taken;
  private boolean closed;

  Slots(int all) {
    this.all = all;
  }

  /** Wait for a free slot; false once closed. */
  synchronized boolean await() {
    try {
      while (taken >= all && !closed) {
        wait();
      }
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
    return !closed;
  }

  /** How many are free; none once closed. */
  synchronized int room() {
    return closed ? 0 : all - taken;
  }

  synchronized void take() {
    taken++;
  }

  synchronized void free() {
    taken--;
    notifyAll();
  }

  synchronized void close() {
    closed = true;
    notifyAll();
  }
}
