package jobwire;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import jobwire.Codec.Problem;
import jobwire.Codec.Rejected;
import jobwire.Scripts.Fatal;
import jobwire.Scripts.Reply;
import jobwire.Values.Encoding;
import jobwire.Values.Unwritable;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.JedisShardedPubSub;
import redis.clients.jedis.exceptions.JedisException;

/** A Jobwire producer: enqueue, wait, cancel. */
public final class Producer implements AutoCloseable {
  /** A job, by its queue and its id. */
  public record Reference(String queue, String id) {}

  /** The outcome of a job is not kept any more. */
  public static final class Gone extends Exception {}

  private static final Set<String> MINE = Set.of("duplicate", "finished", "failed");

  private final Scripts scripts;
  /** Whether an outcome is kept of what was enqueued here. */
  private final Map<Reference, Boolean> confirmed = new ConcurrentHashMap<>();
  private volatile boolean loaded;

  /** It connects with its first call. */
  public Producer(String url, String namespace) throws IOException {
    this.scripts = new Scripts(url, namespace, false, 64);
  }

  /**
   * Enqueue a job: accepted, duplicate, finished, failed or refused. What is left out has its
   * default. [PROD-1..5]
   */
  public String enqueue(Map<String, Object> job, Encoding encoding) throws Rejected, Unwritable, Fatal {
    Map<String, Object> envelope = envelope(job);
    Reference reference = new Reference((String) envelope.get("queue"), (String) envelope.get("id"));
    Reply reply = call("enqueue", reference, Codec.enqueueArguments(envelope, encoding));
    String status = reply.text(1);
    if (!status.equals("refused")) {
      confirmed.put(reference, Codec.longOf(envelope, "result_ttl_ms", 600000) > 0);
    }
    // Sent twice: it was perhaps the first that counted. [PROD-4]
    return reply.resent() && MINE.contains(status) ? "accepted" : status;
  }

  /** A job as an envelope: checked, what is null left out, jobwire and queue filled in. */
  public static Map<String, Object> envelope(Map<String, Object> job) throws Rejected {
    Map<String, Object> envelope = new LinkedHashMap<>(Map.of("jobwire", "1.0", "queue", "default"));
    envelope.putAll(Codec.presentThroughout(job));
    Codec.validate(envelope);
    return envelope;
  }

  /** Ask a job to stop: cancelled, requested, finished or unknown. */
  public String cancel(Reference job) throws Fatal {
    Map<String, Object> outcome = new LinkedHashMap<>();
    outcome.putAll(Map.of("jobwire", "1.0", "id", job.id(), "state", "cancelled", "attempt", 0L));
    outcome.put("finished_at", System.currentTimeMillis());
    byte[] document = Codec.writeError(outcome, Problem.of("cancelled", "cancelled by its producer"), Encoding.JSON);
    Reply reply = call("cancel", job, job.id(), document, 3600000);
    return reply.resent() && reply.text(1).equals("finished") ? "cancelled" : reply.text(1);
  }

  /**
   * Wait for the outcome of a job, or of a workflow: all its ids, first to last. Empty when the time
   * is over. [WAIT-1..5] [FLOW-16..18]
   */
  public Optional<Map<String, Object>> await(List<Reference> jobs, long timeoutMs)
      throws Gone, Rejected, Fatal, InterruptedException {
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(timeoutMs);
    if (Boolean.FALSE.equals(confirmed.get(jobs.get(jobs.size() - 1)))) {
      throw new Rejected("invalid", "no outcome of it is kept [WAIT-6]", "result_ttl_ms", Encoding.JSON);
    }
    boolean seen = jobs.stream().anyMatch(confirmed::containsKey);
    try (Pushes pushes = new Pushes(jobs)) {
      for (long left = timeoutMs; left > 0; left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime())) {
        boolean known = false;
        for (Reference job : jobs) {
          Reply reply = call("look", job, job.id());
          String state = reply.text(1);
          known |= !state.equals("unknown");
          if (state.equals("finished") || state.equals("failed")) {
            Map<String, Object> outcome = Codec.readOutcome(reply.bytes(3));
            // Another than the last ends the wait only by not succeeding. [FLOW-17]
            if (job.equals(jobs.get(jobs.size() - 1)) || !"succeeded".equals(outcome.get("state"))) {
              return Optional.of(outcome);
            }
          }
        }
        if (seen && !known) {
          throw new Gone();
        }
        seen |= known;
        pushes.await(Math.min(1000, left));
      }
    }
    return Optional.empty();
  }

  private Reply call(String name, Reference job, Object... arguments) throws Fatal {
    if (!loaded) {
      try {
        scripts.load();
      } catch (JedisException error) {
        // the call itself finds out
      }
      loaded = true;
    }
    return scripts.call(name, scripts.keys(job.queue(), job.id()), arguments);
  }

  @Override
  public void close() {
    scripts.close();
  }

  /** What the server publishes about jobs. Without the right to subscribe a wait goes on by looking. [WAIT-2] */
  private final class Pushes extends JedisShardedPubSub implements AutoCloseable {
    private final Semaphore pushed = new Semaphore(0);
    private final CountDownLatch subscribed = new CountDownLatch(1);
    private final String[] channels;
    private boolean listening;
    private boolean over;

    Pushes(List<Reference> jobs) throws InterruptedException {
      this.channels = jobs.stream().map(job -> scripts.key(job.queue(), "result:" + job.id())).toArray(String[]::new);
      Thread thread = new Thread(this::listen, "pushes");
      thread.setDaemon(true);
      thread.start();
      subscribed.await(500, TimeUnit.MILLISECONDS);
    }

    private void listen() {
      try (Jedis jedis = scripts.pool.getResource()) {
        proceed(jedis.getConnection(), channels);
        synchronized (this) {
          // The thread that unsubscribes is through with the connection before another gets it from the pool.
        }
      } catch (JedisException error) {
        subscribed.countDown();
      }
    }

    @Override
    public synchronized void onSSubscribe(String channel, int count) {
      listening = count == channels.length;
      if (listening) {
        subscribed.countDown();
        unsubscribeIfOver();
      }
    }

    @Override
    public void onSMessage(String channel, String message) {
      pushed.release();
    }

    void await(long ms) throws InterruptedException {
      pushed.tryAcquire(ms, TimeUnit.MILLISECONDS);
    }

    @Override
    public synchronized void close() {
      over = true;
      unsubscribeIfOver();
    }

    private void unsubscribeIfOver() {
      if (over && listening) {
        sunsubscribe();
      }
    }
  }
}
