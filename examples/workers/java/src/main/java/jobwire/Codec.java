package jobwire;

import static java.util.Map.entry;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import jobwire.Scripts.Reply;
import jobwire.Values.Document;
import jobwire.Values.Encoding;
import jobwire.Values.Malformed;
import jobwire.Values.Unwritable;

/** Envelopes and outcomes: what their fields may hold. SPEC.md sections 4, 5 and 10. */
public final class Codec {
  /** An envelope that cannot be taken; field names the bad field of an invalid one. */
  public static final class Rejected extends Exception {
    public final String code;
    public final String field;
    public final Encoding encoding;

    Rejected(String code, String message, String field, Encoding encoding) {
      super(message);
      this.code = code;
      this.field = field;
      this.encoding = encoding;
    }
  }

  /** What an outcome says of an error. */
  public record Problem(String code, String message, String type, String stack, Object details, boolean last) {
    static Problem of(String code, String message) {
      return new Problem(code, message, null, null, null, false);
    }

    static Problem of(Rejected rejected) {
      Object details = rejected.field == null ? null : Map.of("field", rejected.field);
      return new Problem(rejected.code, rejected.getMessage(), null, null, details, false);
    }

    /** What a hand-over failed of. [FLOW-13] [FLOW-19] */
    static Problem of(Exception error) {
      if (error instanceof Malformed) {
        return of("malformed", error.getMessage());
      }
      if (error instanceof Scripts.Fatal) {
        return new Problem("invalid", error.getMessage(), null, null, Map.of("field", "join.size"), false);
      }
      String code = error instanceof Values.TooLarge ? "result_too_large" : "result_unserializable";
      return of(code, error.getMessage());
    }

    static Problem of(Throwable error, boolean showStack) {
      StringBuilder stack = new StringBuilder(error.toString());
      for (StackTraceElement frame : error.getStackTrace()) {
        stack.append("\n  at ").append(frame);
      }
      Run.Failure named = error instanceof Run.Failure failure ? failure : new Run.Failure(error.getClass().getName(), "", null, false);
      String shown = showStack ? stack.toString() : null;
      return new Problem("handler_error", String.valueOf(error.getMessage()), named.type, shown, named.details, named.last);
    }
  }

  private static final Pattern ID = Pattern.compile("[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}");
  private static final Pattern VERSION = Pattern.compile("[0-9]+\\.[0-9]+");
  private static final Set<String> STATES = Set.of("succeeded", "failed", "cancelled", "expired", "retrying");

  private static final Predicate<Object> IS_ID = value -> value instanceof String text && ID.matcher(text).matches();
  private static final Predicate<Object> IS_QUEUE = value -> IS_ID.test(value) && !((String) value).contains(":");
  private static final Predicate<Object> IS_ARRAY = value -> value instanceof List;
  private static final Predicate<Object> IS_OBJECT = value -> value instanceof Map;
  private static final Predicate<Object> IS_TEXT = value -> value instanceof String;
  private static final Predicate<Object> ANY_INSTANT = integer(0, Values.MAX_INTEGER);

  private static final Map<String, Predicate<Object>> REQUIRED =
      Map.of("id", IS_ID, "type", IS_ID, "queue", IS_QUEUE);
  private static final Map<String, Predicate<Object>> COMMON =
      Map.ofEntries(
          entry("args", IS_ARRAY), entry("kwargs", IS_OBJECT), entry("headers", IS_OBJECT),
          entry("retry", IS_OBJECT), entry("join", IS_OBJECT), entry("created_at", ANY_INSTANT),
          entry("run_at", ANY_INSTANT), entry("expires_at", ANY_INSTANT), entry("result_ttl_ms", ANY_INSTANT),
          entry("timeout_ms", integer(1, Values.MAX_INTEGER)), entry("priority", integer(0, 9)));
  private static final Map<String, Predicate<Object>> JOB =
      Map.of("root_id", IS_ID, "parent_id", IS_ID, "then", IS_ARRAY);
  private static final Map<String, Predicate<Object>> STEP =
      Map.of("pass_result", value -> value instanceof Boolean);
  private static final Map<String, Predicate<Object>> RETRY =
      Map.of(
          "max_attempts", integer(1, 1000), "delay_ms", ANY_INSTANT, "factor", number(1, 1000),
          "max_delay_ms", ANY_INSTANT, "jitter", number(0, 1),
          "no_retry_on", IS_ARRAY);
  private static final Map<String, Predicate<Object>> JOIN_REQUIRED =
      Map.of("group", IS_ID, "index", integer(0, 999), "size", integer(1, 1000), "then", IS_ARRAY);
  private static final Map<String, Predicate<Object>> JOIN = Map.of("ttl_ms", integer(1, Values.MAX_INTEGER));
  private static final Map<String, Predicate<Object>> OUTCOME =
      Map.of("id", IS_ID, "attempt", ANY_INSTANT, "finished_at", ANY_INSTANT, "state", value -> value instanceof String && STATES.contains(value));

  private static final Map<String, String> VERBS =
      Map.of("succeeded", "succeed", "failed", "fail", "cancelled", "cancel", "expired", "expire");

  private Codec() {}

  private static Predicate<Object> number(double low, double high) {
    return value -> value instanceof Number number && number.doubleValue() >= low && number.doubleValue() <= high;
  }

  private static Predicate<Object> integer(long low, long high) {
    return number(low, high).and(value -> ((Number) value).doubleValue() % 1 == 0);
  }

  /** Read an envelope, all its fields checked, what is null left out. [FIELD-1..9] */
  public static Document decode(byte[] bytes) throws Rejected {
    Document document;
    try {
      document = Values.read(bytes);
    } catch (Malformed error) {
      throw new Rejected("malformed", error.getMessage(), null, Encoding.JSON);
    }
    try {
      validate(document.fields());
    } catch (Rejected error) {
      throw new Rejected(error.code, error.getMessage(), error.field, document.encoding());
    }
    return new Document(present(document.fields()), document.encoding());
  }

  /** Check all fields of an envelope and of its steps. [FLOW-1] [FLOW-2] */
  public static void validate(Map<String, Object> job) throws Rejected {
    checkVersion(job);
    check(job, REQUIRED, true, "");
    check(job, COMMON, false, "");
    check(job, JOB, false, "");
    checkFlow(job, new HashSet<>(Set.of(job.get("id"))), "", listOf(job, "then"));
  }

  private static void checkVersion(Map<String, Object> document) throws Rejected {
    if (!(document.get("jobwire") instanceof String version) || !VERSION.matcher(version).matches()) {
      throw invalid("jobwire", document.get("jobwire"), "FIELD-4");
    }
    if (!version.matches("0*1\\..*")) {
      throw new Rejected("unsupported_version", "expected version 1.x, got " + version + " [FIELD-3]", null, Encoding.JSON);
    }
  }

  private static Rejected invalid(String field, Object value, String requirement) {
    String got = String.valueOf(value);
    String message = field + ": got " + got.substring(0, Math.min(80, got.length())) + " [" + requirement + "]";
    return new Rejected("invalid", message, field, Encoding.JSON);
  }

  private static void check(Map<String, Object> fields, Map<String, Predicate<Object>> rules, boolean needed, String path)
      throws Rejected {
    for (Map.Entry<String, Predicate<Object>> rule : rules.entrySet()) {
      Object value = fields.get(rule.getKey());
      if (value == null ? needed : !rule.getValue().test(value)) {
        throw invalid(path + rule.getKey(), value, "FIELD-5");
      }
    }
    if (rules.containsKey("retry") && fields.get("retry") != null) {
      checkRetry(mapOf(fields, "retry"), path + "retry.");
    }
  }

  private static void checkRetry(Map<String, Object> retry, String path) throws Rejected {
    check(retry, RETRY, false, path);
    List<Object> names = listOf(retry, "no_retry_on");
    for (int index = 0; index < names.size(); index++) {
      if (!IS_TEXT.test(names.get(index))) {
        throw invalid(path + "no_retry_on." + index, names.get(index), "FIELD-5");
      }
    }
  }

  private static void checkFlow(Map<String, Object> fields, Set<Object> seen, String path, List<Object> then)
      throws Rejected {
    if (fields.get("join") == null) {
      checkSteps(then, seen, path + "then.");
      return;
    }
    if (!then.isEmpty()) {
      throw invalid(path + "join", "both then and join", "FLOW-1");
    }
    Map<String, Object> join = mapOf(fields, "join");
    check(join, JOIN_REQUIRED, true, path + "join.");
    check(join, JOIN, false, path + "join.");
    if (longOf(join, "index", 0) >= longOf(join, "size", 0)) {
      throw invalid(path + "join.index", join.get("index"), "FIELD-5");
    }
    if (listOf(join, "then").isEmpty()) {
      throw invalid(path + "join.then", "no step", "FIELD-5");
    }
    checkSteps(listOf(join, "then"), seen, path + "join.then.");
  }

  @SuppressWarnings("unchecked")
  private static void checkSteps(List<Object> steps, Set<Object> seen, String path) throws Rejected {
    for (int index = 0; index < steps.size(); index++) {
      if (!(steps.get(index) instanceof Map<?, ?> step)) {
        throw invalid(path + index, steps.get(index), "FLOW-2");
      }
      checkStep((Map<String, Object>) step, seen, path + index + ".", index == steps.size() - 1);
    }
  }

  private static void checkStep(Map<String, Object> step, Set<Object> seen, String path, boolean last) throws Rejected {
    for (String name : List.of("jobwire", "then", "root_id", "parent_id")) {
      if (step.containsKey(name)) {
        throw invalid(path + name, step.get(name), "FLOW-1");
      }
    }
    check(step, REQUIRED, true, path);
    check(step, COMMON, false, path);
    check(step, STEP, false, path);
    if (!seen.add(step.get("id"))) {
      throw invalid(path + "id", "an id that stands twice", "FLOW-2");
    }
    if (step.get("join") != null && !last) {
      throw invalid(path + "join", "a join before the last step", "FLOW-1");
    }
    checkFlow(step, seen, path, List.of());
  }

  /** Leave out what is null. [FIELD-9] */
  static Map<String, Object> present(Map<String, Object> fields) {
    Map<String, Object> left = new LinkedHashMap<>(fields);
    left.values().removeIf(Objects::isNull);
    return left;
  }

  /** Leave out what is null in an envelope and in the tables within it. [FIELD-10] */
  static Map<String, Object> presentThroughout(Map<String, Object> fields) {
    Map<String, Object> left = present(fields);
    left.replaceAll(
        (name, value) ->
            switch (name) {
              case "retry", "join" -> tidy(value);
              case "then" -> value instanceof List<?> steps ? steps.stream().map(Codec::tidy).toList() : value;
              default -> value;
            });
    return left;
  }

  @SuppressWarnings("unchecked")
  private static Object tidy(Object value) {
    return value instanceof Map<?, ?> ? presentThroughout((Map<String, Object>) value) : value;
  }

  /** Read an outcome, as section 5 has it. */
  public static Map<String, Object> readOutcome(byte[] bytes) throws Rejected {
    Map<String, Object> outcome;
    try {
      outcome = Values.read(bytes).fields();
    } catch (Malformed error) {
      throw new Rejected("malformed", error.getMessage(), null, Encoding.JSON);
    }
    checkVersion(outcome);
    check(outcome, OUTCOME, true, "");
    check(outcome, Map.of("worker", IS_ID, "error", IS_OBJECT), false, "");
    if (!"succeeded".equals(outcome.get("state"))) {
      check(outcome, Map.of("error", IS_OBJECT), true, "");
      check(mapOf(outcome, "error"), Map.of("code", IS_TEXT, "message", IS_TEXT), true, "error.");
    }
    return outcome;
  }

  @SuppressWarnings("unchecked")
  static Map<String, Object> mapOf(Map<String, Object> fields, String name) {
    return fields.get(name) instanceof Map<?, ?> map ? (Map<String, Object>) map : Map.of();
  }

  @SuppressWarnings("unchecked")
  static List<Object> listOf(Map<String, Object> fields, String name) {
    return fields.get(name) instanceof List<?> list ? (List<Object>) list : List.of();
  }

  static long longOf(Map<String, Object> fields, String name, long otherwise) {
    return fields.get(name) instanceof Number number ? number.longValue() : otherwise;
  }

  @SuppressWarnings("unchecked")
  static Map<String, Object> stepOf(List<Object> steps) {
    return (Map<String, Object>) steps.get(0);
  }

  static List<Object> members(Reply reply) throws Malformed {
    List<Object> members = new ArrayList<>();
    for (int index = 3; index < reply.size(); index++) {
      members.add(Values.read(reply.bytes(index)).fields());
    }
    return members;
  }

  /** The verb that settles a job as its document says, or null if that ends nothing. [RUN-4] */
  static String verbOf(byte[] document, String id) {
    try {
      Map<String, Object> outcome = readOutcome(document);
      return id.equals(outcome.get("id")) ? VERBS.get(outcome.get("state")) : null;
    } catch (Rejected error) {
      return null;
    }
  }

  static double doubleOf(Map<String, Object> fields, String name, double otherwise) {
    return fields.get(name) instanceof Number number ? number.doubleValue() : otherwise;
  }

  /** How a job is retried, defaults filled in. */
  public record Policy(long maxAttempts, double delayMs, double factor, double maxDelayMs, double jitter, List<Object> noRetryOn) {
    public static Policy of(Map<String, Object> job) {
      Map<String, Object> retry = mapOf(job, "retry");
      return new Policy(
          longOf(retry, "max_attempts", 3), doubleOf(retry, "delay_ms", 1000), doubleOf(retry, "factor", 2),
          doubleOf(retry, "max_delay_ms", 300000), doubleOf(retry, "jitter", 0.1), listOf(retry, "no_retry_on"));
    }

    /** The lowest and the highest delay in ms after an attempt. [RETRY-6] */
    public long[] delayRange(long attempt) {
      double ms = Math.min(delayMs, maxDelayMs);
      for (long n = 1; n < attempt; n++) {
        ms = Math.min(ms * factor, maxDelayMs);
      }
      return new long[] {(long) Math.floor(ms * (1 - jitter)), (long) Math.floor(ms)};
    }
  }

  /** An envelope with the defaults of section 4.2. */
  public static Map<String, Object> withDefaults(Map<String, Object> job) {
    Policy policy = Policy.of(job);
    Map<String, Object> full = new LinkedHashMap<>();
    full.putAll(Map.of("args", List.of(), "kwargs", Map.of(), "headers", Map.of(), "then", List.of()));
    full.putAll(Map.of("priority", 4L, "result_ttl_ms", 600000L));
    full.putAll(present(job));
    full.put(
        "retry",
        Map.of(
            "max_attempts", policy.maxAttempts(), "delay_ms", policy.delayMs(), "factor", policy.factor(),
            "max_delay_ms", policy.maxDelayMs(), "jitter", policy.jitter(), "no_retry_on", policy.noRetryOn()));
    return full;
  }

  /** Make valid Unicode of a text and cut it on a character to so many bytes of UTF-8. [OUT-4] */
  static String text(String text, int limit) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8); // a lone surrogate becomes '?'
    int end = Math.min(limit, bytes.length);
    while (end < bytes.length && (bytes[end] & 0xc0) == 0x80) {
      end--;
    }
    return new String(bytes, 0, end, StandardCharsets.UTF_8);
  }

  /** The bytes of an outcome with an error; details, then the stack go if they do not fit. [OUT-5] */
  static byte[] writeError(Map<String, Object> outcome, Problem problem, Encoding encoding) {
    Map<String, Object> error = new LinkedHashMap<>();
    error.put("code", problem.code());
    error.put("message", text(String.valueOf(problem.message()), 4096));
    error.put("type", problem.type() == null ? null : text(problem.type(), 256));
    error.put("stack", problem.stack() == null ? null : text(problem.stack(), 16384));
    error.put("details", problem.details());
    for (String excess : List.of("details", "stack", "")) {
      try {
        outcome.put("error", present(error));
        return Values.write(outcome, encoding);
      } catch (Unwritable unwritable) {
        error.remove(excess);
      }
    }
    throw new IllegalStateException("code, message and type are short");
  }

  /** The envelope that a job hands over: a step, with what went before as first argument. [FLOW-6..10] */
  static Map<String, Object> nextEnvelope(Map<String, Object> job, Map<String, Object> step, Object before, List<Object> rest) {
    Map<String, Object> next = present(step);
    if (!Boolean.FALSE.equals(next.remove("pass_result"))) {
      List<Object> args = new ArrayList<>();
      args.add(before);
      args.addAll(listOf(step, "args"));
      next.put("args", args);
    }
    next.put("jobwire", job.get("jobwire"));
    next.put("parent_id", job.get("id"));
    next.put("root_id", job.getOrDefault("root_id", job.get("id")));
    if (!rest.isEmpty()) {
      next.put("then", rest);
    }
    return next;
  }

  /** The arguments of enqueue and pass. [PROD-1] */
  static Object[] enqueueArguments(Map<String, Object> job, Encoding encoding) throws Unwritable {
    return new Object[] {
      job.get("id"), Values.write(job, encoding), longOf(job, "run_at", 0), Policy.of(job).maxAttempts(), longOf(job, "priority", 4)
    };
  }
}
