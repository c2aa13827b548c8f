package jobwire;

import static jobwire.Codec.listOf;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import jobwire.Codec.Problem;
import jobwire.Codec.Rejected;
import jobwire.Scripts.Reply;
import jobwire.Values.Document;
import jobwire.Values.Encoding;

/** One claimed job, until its settle is answered. */
final class Job {
  final String queue;
  final String token;
  final boolean taken;
  final byte[] document;
  final Run run;
  final Map<String, Object> envelope;
  final Problem rejected;
  final AtomicBoolean over = new AtomicBoolean();
  volatile boolean cancelled;
  volatile boolean handingOver;
  private final AtomicBoolean ended = new AtomicBoolean();

  Job(String queue, boolean taken, Reply reply, int at) {
    this.queue = queue;
    this.taken = taken;
    this.token = reply.text(at + 1);
    this.document = reply.bytes(at + 3);
    String id = reply.text(at);
    Document read = new Document(Map.of(), Encoding.JSON);
    Problem problem = null;
    try {
      read = Codec.decode(reply.bytes(at + 4));
      problem = mismatch(read.fields(), id);
    } catch (Rejected error) {
      problem = Problem.of(error);
      read = new Document(Map.of(), error.encoding);
    }
    this.rejected = problem;
    this.envelope = problem == null ? read.fields() : Map.of();
    long number = Long.parseLong(token.substring(0, token.indexOf('.')));
    this.run = new Run(id, (String) envelope.get("type"), reply.number(at + 2), number, read.encoding());
  }

  private Problem mismatch(Map<String, Object> fields, String id) {
    String field = !id.equals(fields.get("id")) ? "id" : !queue.equals(fields.get("queue")) ? "queue" : null;
    if (field == null) {
      return null;
    }
    return new Problem("invalid", field + ": not the one that it was claimed under [RUN-6]", null, null, Map.of("field", field), false);
  }

  /** End the handler's part: whether by its return or its time-out, only the first counts. [RETRY-9] */
  boolean end() {
    return ended.compareAndSet(false, true);
  }

  boolean goesOn() {
    return envelope.containsKey("join") || !listOf(envelope, "then").isEmpty();
  }

  /** How long the outcome is kept; a step's for an hour, so that handing it over again finds it. [RUN-11] */
  long ttl() {
    long kept = Codec.longOf(envelope, "result_ttl_ms", 600000);
    return envelope.containsKey("parent_id") ? Math.max(kept, 3600000) : kept;
  }

  /** An outcome of this run, but for its result or error. */
  Map<String, Object> outcome(String worker, String state) {
    Map<String, Object> outcome = new LinkedHashMap<>();
    outcome.put("jobwire", "1.0");
    outcome.put("id", run.id);
    outcome.put("state", state);
    outcome.put("attempt", run.attempt);
    outcome.put("worker", worker);
    outcome.put("finished_at", System.currentTimeMillis());
    return outcome;
  }
}
