package jobwire;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import jobwire.Values.Encoding;
import jobwire.Values.Unwritable;

/** What a handler knows about its run. */
public final class Run {
  /** Runs a job; the result is a value as Values says. */
  public interface Handler {
    Object run(Run run, List<Object> args, Map<String, Object> kwargs) throws Exception;
  }

  /** Why a handler should stop. */
  public enum Told {
    CANCEL,
    TIMEOUT,
    LOST,
    STOP
  }

  /** An error with the application's name for it; one that is last is not retried. */
  public static final class Failure extends RuntimeException {
    final String type;
    final transient Object details;
    final boolean last;

    public Failure(String type, String message, Object details, boolean last) {
      super(message);
      this.type = type;
      this.details = details;
      this.last = last;
    }
  }

  private static final int MAX_PROGRESS = 65536;

  public final String id;
  public final String type;
  public final long attempt;
  public final long run;
  final Encoding encoding;
  final AtomicReference<byte[]> progress = new AtomicReference<>();
  private final AtomicReference<Told> told = new AtomicReference<>();
  private final CountDownLatch telling = new CountDownLatch(1);

  Run(String id, String type, long attempt, long run, Encoding encoding) {
    this.id = id;
    this.type = type;
    this.attempt = attempt;
    this.run = run;
    this.encoding = encoding;
  }

  /** Report progress, an object of at most 65536 bytes; returns whether it was taken. [OUT-7] */
  @SuppressWarnings("unchecked")
  public boolean progress(Object value) {
    try {
      byte[] bytes = value instanceof Map<?, ?> ? Values.write((Map<String, Object>) value, encoding) : new byte[0];
      if (bytes.length == 0 || bytes.length > MAX_PROGRESS) {
        return false;
      }
      progress.set(bytes);
      return true;
    } catch (Unwritable unwritable) {
      return false;
    }
  }

  /** Why the handler should stop, or null. */
  public Told told() {
    return told.get();
  }

  /** Sleep, but no longer than until the handler should stop; returns why it should, or null. */
  public Told sleep(long ms) throws InterruptedException {
    telling.await(ms, TimeUnit.MILLISECONDS);
    return told.get();
  }

  void tell(Told reason) {
    told.compareAndSet(null, reason);
    telling.countDown();
  }
}
