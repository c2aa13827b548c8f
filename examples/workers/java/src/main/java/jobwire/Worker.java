package jobwire;

import static jobwire.Codec.listOf;
import static jobwire.Codec.longOf;
import static jobwire.Codec.mapOf;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import jobwire.Codec.Policy;
import jobwire.Codec.Problem;
import jobwire.Run.Handler;
import jobwire.Run.Told;
import jobwire.Scripts.Fatal;
import jobwire.Scripts.Reply;
import jobwire.Values.Malformed;
import jobwire.Values.TooLarge;
import jobwire.Values.Unwritable;
import redis.clients.jedis.exceptions.JedisException;
import sun.misc.Signal;

/** A Jobwire worker: profiles core, cancel, progress and workflow of SPEC.md. */
public final class Worker {
  private final Settings settings;
  private final Map<String, Handler> handlers;
  private final Scripts scripts;
  private final Set<Job> held = ConcurrentHashMap.newKeySet();
  private final Slots slots;
  private final ReentrantLock claiming = new ReentrantLock();
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final ScheduledExecutorService timer = Executors.newScheduledThreadPool(2);
  private volatile boolean stopping;
  private final Clock clock = new Clock();

  public Worker(Settings settings, Map<String, Handler> handlers) throws IOException {
    this.settings = settings;
    this.handlers = handlers;
    this.slots = new Slots(settings.concurrency());
    this.scripts = new Scripts(settings.url(), settings.namespace(), true, 2 * settings.concurrency() + 8);
  }

  /** Work until SIGTERM or SIGINT; ready is called before the first claim. Never returns. */
  public void main(Runnable ready) {
    Signal.handle(new Signal("TERM"), signal -> stop());
    Signal.handle(new Signal("INT"), signal -> stop());
    scripts.awaitLoaded();
    new Thread(this::heartbeat, "heartbeat").start();
    ready.run();
    work();
  }

  private void work() {
    List<String> queues = new ArrayList<>(settings.queues());
    String woken = null;
    while (!queues.isEmpty() && slots.await()) {
      long waitMs = 2000;
      for (String queue : List.copyOf(queues)) {
        // Without a slot only the queue whose token was taken is asked: the next round begins with the first. [CLAIM-5] [CLAIM-9]
        int room = slots.room();
        if (room == 0 && !queue.equals(woken)) {
          waitMs = 0;
          continue;
        }
        try {
          waitMs = Math.min(waitMs, claim(queue, room));
        } catch (Fatal error) {
          System.err.println("no more claims from " + queue + ": " + error.getMessage() + " [CALL-5]");
          queues.remove(queue);
        }
      }
      woken = waitMs > 0 && slots.room() > 0 ? idle(queues, waitMs) : null;
    }
  }

  /** Claim and start up to room jobs; return for how many ms there is nothing more. */
  private long claim(String queue, int room) throws Fatal {
    claiming.lock();
    try {
      while (!stopping) {
        if (scripts.interrupted) {
          scripts.interrupted = false;
          extend(); // what is held comes before what is new [CLAIM-12]
        }
        int rescue = held.stream().anyMatch(job -> job.taken && !job.handingOver) ? 0 : 1;
        try {
          Reply reply = new Reply(scripts.once("claim", scripts.keys(queue), scripts.nonce(), settings.leaseMs(), Math.min(room, 1000), rescue), false);
          clock.set(reply.number(0));
          for (int at = 3; at < reply.size(); at += 5) {
            start(new Job(queue, reply.number(2) == 1, reply, at));
          }
          return reply.number(1);
        } catch (JedisException error) {
          if (Scripts.isFatal(error)) {
            throw new Fatal(error.getMessage());
          }
          Scripts.pause(100);
        }
      }
      return 2000;
    } finally {
      claiming.unlock();
    }
  }

  private void start(Job job) {
    slots.take();
    held.add(job);
    threads.execute(
        () -> {
          try {
            run(job);
          } catch (RuntimeException error) {
            System.err.println(job.run.id + ": " + error);
          } finally {
            slots.free();
          }
        });
  }

  /** Block until a queue has something, or the time is over; return the queue whose token was taken, or null. [CLAIM-7] */
  private String idle(List<String> queues, long waitMs) {
    List<String> lists = queues.stream().map(queue -> scripts.key(queue, "wake")).toList();
    try {
      int at = lists.indexOf(scripts.block(lists, waitMs));
      return at < 0 ? null : queues.get(at);
    } catch (JedisException error) {
      Scripts.pause(50);
      return null;
    }
  }

  private void run(Job job) {
    Object expiresAt = job.envelope.get("expires_at");
    if (stopping) {
      settle(job, "release", new byte[0], 0); // [STOP-2]
    } else if (job.document.length > 0) {
      asDecided(job);
    } else if (job.rejected != null) {
      fail(job, job.rejected);
    } else if (expiresAt instanceof Number instant && instant.doubleValue() <= clock.now()) {
      Problem problem = Problem.of("expired", "expires_at was " + expiresAt);
      settle(job, "expire", Codec.writeError(job.outcome(settings.name(), "expired"), problem, job.run.encoding), job.ttl());
    } else if (!handlers.containsKey(job.run.type)) {
      retryOrFail(job, Problem.of("unknown_type", "no handler for " + job.run.type), 0);
    } else {
      attempt(job, handlers.get(job.run.type));
    }
  }

  /** Settle a job as the document says that it came with. [RUN-2] [RUN-4] */
  private void asDecided(Job job) {
    String verb = Codec.verbOf(job.document, job.run.id);
    if (verb == null) {
      fail(job, Problem.of("malformed", "the stored document ends nothing [RUN-4]"));
    } else if (verb.equals("succeed") && job.goesOn()) {
      handOver(job, job.document);
    } else {
      settle(job, verb, job.document, verb.equals("fail") ? 0 : job.ttl());
    }
  }

  private void attempt(Job job, Handler handler) {
    if (job.cancelled) {
      cancel(job);
    }
    if (job.over.get()) {
      return; // cancelled, or its lease is lost [RUN-16]
    }
    long timeoutMs = longOf(job.envelope, "timeout_ms", 0);
    ScheduledFuture<?> timeout = timeoutMs == 0 ? null : timer.schedule(() -> timeOut(job, timeoutMs), timeoutMs, TimeUnit.MILLISECONDS);
    Object result = null;
    Problem problem = null;
    try {
      result = handler.run(job.run, listOf(job.envelope, "args"), mapOf(job.envelope, "kwargs"));
    } catch (Throwable error) { // also errors of the machine: the worker lives on [RUN-15]
      problem = Problem.of(error, settings.showStack());
    }
    if (timeout != null) {
      timeout.cancel(false);
    }
    if (!job.end() || job.over.get()) {
      return; // timed out, or lost: what it returned is dropped
    }
    if (problem != null) {
      retryOrFail(job, problem, 0);
    } else {
      succeed(job, result);
    }
  }

  private void timeOut(Job job, long timeoutMs) {
    if (!job.end()) {
      return;
    }
    job.run.tell(Told.TIMEOUT);
    threads.execute(() -> retryOrFail(job, Problem.of("timeout", "not done after " + timeoutMs + " ms"), 1000));
  }

  private void succeed(Job job, Object result) {
    List<Object> then = listOf(job.envelope, "then");
    int room = job.envelope.containsKey("join") ? 28 : then.isEmpty() ? 31 : 30;
    try {
      Values.check(result, room);
      Map<String, Object> outcome = job.outcome(settings.name(), "succeeded");
      if (result != null) {
        outcome.put("result", result);
      }
      byte[] document = Values.write(outcome, job.run.encoding);
      if (!then.isEmpty()) {
        Values.write(Codec.nextEnvelope(job.envelope, Codec.stepOf(then), result, then.subList(1, then.size())), job.run.encoding);
      }
      if (job.goesOn()) {
        decide(job, document);
      } else {
        settle(job, "succeed", document, job.ttl());
      }
    } catch (Unwritable error) {
      if (job.cancelled) {
        cancel(job); // [CANCEL-3]
      } else {
        fail(job, Problem.of(error));
      }
    }
  }

  private void retryOrFail(Job job, Problem problem, long leastMs) {
    Policy policy = Policy.of(job.envelope);
    boolean unknown = problem.code().equals("unknown_type");
    boolean last = !unknown && (problem.last() || policy.noRetryOn().contains(problem.type() == null ? problem.code() : problem.type()));
    if (job.cancelled) {
      cancel(job); // [CANCEL-3]
    } else if (last || job.run.attempt >= policy.maxAttempts()) {
      fail(job, problem);
    } else {
      // Another worker may know the type. [RUN-8]
      long delayMs = unknown ? (long) policy.maxDelayMs() : Math.max(leastMs, delay(policy, job.run.attempt));
      settle(job, "retry", Codec.writeError(job.outcome(settings.name(), "retrying"), problem, job.run.encoding), delayMs);
    }
  }

  private static long delay(Policy policy, long attempt) {
    long[] range = policy.delayRange(attempt);
    return ThreadLocalRandom.current().nextLong(range[0], range[1] + 1);
  }

  private void fail(Job job, Problem problem) {
    settle(job, "fail", Codec.writeError(job.outcome(settings.name(), "failed"), problem, job.run.encoding), 0);
  }

  private void cancel(Job job) {
    Problem problem = Problem.of("cancelled", "a cancel was requested");
    settle(job, "cancel", Codec.writeError(job.outcome(settings.name(), "cancelled"), problem, job.run.encoding), job.ttl());
  }

  /** Store the outcome, hand over what comes next, close. [FLOW-3] */
  private void decide(Job job, byte[] document) {
    String answer = send(job, "decide", document, 0);
    if (answer.equals("done")) {
      handOver(job, document);
    } else if (answer.equals("refused")) {
      fail(job, Problem.of(new TooLarge()));
    }
  }

  private void handOver(Job job, byte[] document) {
    job.handingOver = true;
    try {
      Map<String, Object> join = mapOf(job.envelope, "join");
      List<Object> steps = listOf(join.isEmpty() ? job.envelope : join, "then");
      Object before = Values.read(document).fields().get("result");
      if (!join.isEmpty()) {
        Reply reply = scripts.join(join, document);
        if (reply.number(1) != reply.number(2)) {
          settle(job, "succeed", document, job.ttl()); // another member completes the group
          return;
        }
        before = Codec.members(reply);
      }
      scripts.pass(Codec.nextEnvelope(job.envelope, Codec.stepOf(steps), before, steps.subList(1, steps.size())), job.run.encoding);
      settle(job, "succeed", document, job.ttl());
    } catch (Malformed | Unwritable | Fatal error) {
      fail(job, Problem.of(error));
    }
  }

  /** End a run: the first call for a job counts, what comes later is dropped. */
  private void settle(Job job, String verb, byte[] document, long number) {
    if (job.over.getAndSet(true)) {
      return;
    }
    String answer = send(job, verb, document, number);
    if (answer.equals("cancel")) {
      job.over.set(false);
      cancel(job); // [CANCEL-4]
    } else if (answer.equals("refused")) {
      job.over.set(false);
      fail(job, Problem.of("result_too_large", verb + " was refused"));
    } else {
      held.remove(job);
    }
  }

  private String send(Job job, String verb, byte[] document, long number) {
    try {
      Reply reply = scripts.call("settle", scripts.keys(job.queue, job.run.id), job.run.id, job.token, verb, document, number);
      if (reply.text(1).equals("lost")) {
        lose(job, reply.resent());
      }
      return reply.text(1);
    } catch (Fatal error) {
      System.err.println("settle " + job.run.id + ": " + error.getMessage());
      lose(job, false);
      return "lost";
    }
  }

  private void lose(Job job, boolean perhapsMine) {
    job.over.set(true);
    if (held.remove(job)) {
      job.run.tell(Told.LOST);
      System.err.println((perhapsMine ? "info" : "warning") + ": the lease of " + job.run.id + " is lost, its outcome is dropped [LEASE-3]");
    }
  }

  private void heartbeat() {
    while (true) {
      Scripts.pause(settings.leaseMs() / 4);
      extend();
    }
  }

  /** Extend all leases, send the latest progress, hear of cancels. [LEASE-1] */
  private void extend() {
    for (String queue : settings.queues()) {
      List<Job> jobs = held.stream().filter(job -> job.queue.equals(queue)).limit(1000).toList();
      if (!jobs.isEmpty()) {
        extend(queue, jobs);
      }
    }
  }

  private void extend(String queue, List<Job> jobs) {
    List<Object> arguments = new ArrayList<>(List.of(settings.leaseMs()));
    for (Job job : jobs) {
      byte[] progress = job.run.progress.getAndSet(null);
      arguments.addAll(List.of(job.run.id, job.token, progress == null ? new byte[0] : progress));
    }
    try {
      Reply reply = scripts.call("extend", scripts.keys(queue), arguments.toArray());
      for (int index = 0; index < jobs.size(); index++) {
        Job job = jobs.get(index);
        String answer = reply.text(index + 1);
        if (answer.equals("lost") && !job.over.get()) {
          lose(job, reply.resent());
        } else if (answer.equals("cancel")) {
          job.cancelled = true;
          job.run.tell(Told.CANCEL);
        }
      }
    } catch (Fatal error) {
      System.err.println("extend: " + error.getMessage());
    }
  }

  /** Claim no more; wait for what runs, at most the grace; leave. The second time: leave. [STOP-1..6] */
  private void stop() {
    if (!stopping) {
      stopping = true;
      slots.close();
      long end = Clock.monotonicMs() + settings.graceMs();
      while (Clock.monotonicMs() < end && (claiming.isLocked() || !held.isEmpty())) {
        Scripts.pause(5);
      }
    }
    leave();
  }

  /** Release what is left, and end the process, whether or not the server answers. */
  private void leave() {
    timer.schedule(() -> Runtime.getRuntime().halt(0), 2, TimeUnit.SECONDS);
    for (Job job : held) {
      job.run.tell(Told.STOP);
      settle(job, "release", new byte[0], 0);
    }
    while (!held.isEmpty()) {
      Scripts.pause(5); // other threads settle what ended by itself
    }
    Runtime.getRuntime().halt(0);
  }
}
