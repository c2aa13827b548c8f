package jobwire.conformance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import jobwire.Run;
import jobwire.Run.Failure;
import jobwire.Run.Handler;
import jobwire.Run.Told;

/** The handlers that the conformance suite asks for. */
public final class Handlers {
  private static final Path LOG = Path.of(System.getenv().getOrDefault("JOBWIRE_CONFORMANCE_LOG", "/dev/null"));
  private static final String WORKER = System.getenv("JOBWIRE_WORKER");

  private Handlers() {}

  public static Map<String, Handler> all() {
    Map<String, Handler> handlers = new LinkedHashMap<>();
    handlers.put("echo", (run, args, kwargs) -> Map.of("args", args, "kwargs", kwargs));
    handlers.put("add", (run, args, kwargs) -> add(args));
    handlers.put("context", (run, args, kwargs) -> Map.of("id", run.id, "attempt", run.attempt, "run", run.run));
    handlers.put("fail", (run, args, kwargs) -> fail(kwargs));
    handlers.put("flaky", (run, args, kwargs) -> flaky(run, number(args)));
    handlers.put("sleep", (run, args, kwargs) -> sleep(run, number(args)));
    handlers.put("busy", (run, args, kwargs) -> busy(number(args)));
    handlers.put("barrier", (run, args, kwargs) -> barrier(args.get(0)));
    handlers.put("progress", (run, args, kwargs) -> progress(run, (List<?>) args.get(0), args.get(1)));
    handlers.put("until_cancelled", (run, args, kwargs) -> untilCancelled(run, args.get(0)));
    handlers.put("big", (run, args, kwargs) -> "x".repeat((int) number(args)));
    handlers.put("unserializable", (run, args, kwargs) -> unserializable(args.get(0)));
    handlers.put("exit", (run, args, kwargs) -> exit(number(args)));
    Map<String, Handler> named = new LinkedHashMap<>();
    handlers.forEach((name, handler) -> named.put("conformance." + name, logged(handler)));
    return named;
  }

  private static long number(List<Object> args) {
    return ((Number) args.get(0)).longValue();
  }

  private static Object add(List<Object> args) {
    if (args.size() != 2) {
      throw new IllegalArgumentException("add: expected two numbers, got " + args.size() + " arguments");
    }
    Object x = args.get(0);
    Object y = args.get(1);
    if (x instanceof Long first && y instanceof Long second) {
      return first + second;
    }
    return ((Number) x).doubleValue() + ((Number) y).doubleValue();
  }

  private static Object fail(Map<String, Object> kwargs) {
    if (Boolean.TRUE.equals(kwargs.get("odd"))) {
      throw new StackOverflowError();
    }
    String message = (String) kwargs.getOrDefault("message", "failed");
    boolean broken = Boolean.TRUE.equals(kwargs.get("broken"));
    String type = (String) kwargs.getOrDefault("type", "ConformanceError");
    throw new Failure(type, message + (broken ? "\ud800" : ""), kwargs.get("details"), Boolean.TRUE.equals(kwargs.get("final")));
  }

  private static Failure failure(String message) {
    return new Failure("ConformanceError", message, null, false);
  }

  private static Object flaky(Run run, long times) {
    if (run.attempt <= times) {
      throw failure("not yet");
    }
    return run.attempt;
  }

  private static Object sleep(Run run, long ms) throws InterruptedException {
    Told told = run.sleep(ms);
    if (told == Told.CANCEL || told == Told.TIMEOUT) {
      throw failure("told: " + told);
    }
    return ms;
  }

  private static Object busy(long ms) {
    long end = System.nanoTime() + ms * 1_000_000;
    while (System.nanoTime() < end) {
      Thread.onSpinWait();
    }
    return ms;
  }

  private static Object barrier(Object path) throws InterruptedException {
    while (!Files.exists(Path.of((String) path))) {
      Thread.sleep(10);
    }
    return "open";
  }

  private static Object progress(Run run, List<?> values, Object path) throws InterruptedException {
    List<Object> taken = new ArrayList<>();
    values.forEach(value -> taken.add(run.progress(value)));
    barrier(path);
    return taken;
  }

  private static Object untilCancelled(Run run, Object how) throws InterruptedException {
    while (run.told() != Told.CANCEL) {
      Thread.sleep(10);
    }
    if ("return".equals(how)) {
      return "stopped";
    }
    throw failure("cancelled");
  }

  private static Object unserializable(Object how) {
    if ("deep".equals(how)) {
      List<Object> value = List.of();
      for (int depth = 1; depth < 40; depth++) {
        value = List.of(value);
      }
      return value;
    }
    return "infinity".equals(how) ? Double.POSITIVE_INFINITY : Double.NaN;
  }

  private static Object exit(long code) {
    Runtime.getRuntime().halt((int) code);
    return null;
  }

  private static Handler logged(Handler handler) {
    return (run, args, kwargs) -> {
      log("start", run, "");
      try {
        return handler.run(run, args, kwargs);
      } finally {
        String told = run.told() == null ? "null" : "\"" + run.told().name().toLowerCase() + "\"";
        log("end", run, ",\"told\":" + told);
      }
    };
  }

  private static void log(String event, Run run, String more) {
    Instant now = Instant.now();
    double at = now.getEpochSecond() * 1e3 + now.getNano() / 1e6;
    String line =
        "{\"event\":\"%s\",\"id\":\"%s\",\"type\":\"%s\",\"attempt\":%d,\"run\":%d,\"worker\":\"%s\",\"at\":%s%s}\n"
            .formatted(event, run.id, run.type, run.attempt, run.run, WORKER, java.math.BigDecimal.valueOf(at).toPlainString(), more);
    try {
      Files.write(LOG, line.getBytes(StandardCharsets.UTF_8), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }
}
