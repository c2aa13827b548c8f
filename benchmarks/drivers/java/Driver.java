import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import jobwire.Producer;
import jobwire.Run.Handler;
import jobwire.Settings;
import jobwire.Values.Encoding;
import jobwire.Worker;
import redis.clients.jedis.Jedis;

/** Jobwire's worker and producer in Java; example.py says how it is called. */
public final class Driver {
  private static FileOutputStream stamps;

  private Driver() {}

  private static void stamp() throws IOException {
    if (stamps != null) {
      Instant now = Instant.now();
      long ns = now.getEpochSecond() * 1_000_000_000 + now.getNano();
      stamps.write(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(ns).array());
    }
  }

  private static double number(Object value) {
    return ((Number) value).doubleValue();
  }

  private static void about() throws IOException {
    Properties jedis = new Properties();
    jedis.load(Jedis.class.getResourceAsStream("/META-INF/maven/redis.clients/jedis/pom.properties"));
    System.out.println("Jedis " + jedis.getProperty("version") + ", Java " + Runtime.version());
  }

  // The first call makes the connection and loads the scripts: it is not timed, the time of the others is scaled to all.
  private static void one() throws Exception {
    Encoding encoding = System.getenv("BENCH_ENCODING").equals("json") ? Encoding.JSON : Encoding.MSGPACK;
    int count = Integer.parseInt(System.getenv("BENCH_COUNT"));
    int payload = Integer.parseInt(System.getenv("BENCH_PAYLOAD"));
    try (Producer jobs = new Producer(System.getenv("JOBWIRE_REDIS_URL"), "jobwire")) {
      long began = 0;
      for (long i = 0; i < count; i++) {
        List<Object> args = new ArrayList<>(List.of(i, 1L));
        if (payload > 0) {
          args.add("x".repeat(payload));
        }
        String status = jobs.enqueue(Map.of("id", UUID.randomUUID().toString(), "type", "add", "args", args), encoding);
        if (!status.equals("accepted")) {
          throw new IllegalStateException("expected accepted, got " + status);
        }
        began = i == 0 ? System.nanoTime() : began;
      }
      System.out.println("{\"seconds\": " + (System.nanoTime() - began) / 1e9 * count / (count - 1) + "}");
    }
  }

  private static void worker() throws IOException {
    String path = System.getenv("BENCH_STAMPS");
    stamps = path == null ? null : new FileOutputStream(path, true);
    Handler add =
        (run, args, kwargs) -> {
          stamp();
          return (Long) args.get(0) + (Long) args.get(1);
        };
    Handler nap =
        (run, args, kwargs) -> {
          Thread.sleep((long) (number(args.get(0)) * 1000));
          stamp();
          return null;
        };
    new Worker(Settings.fromEnvironment(), Map.of("add", add, "nap", nap)).main(() -> {});
  }

  public static void main(String[] arguments) throws Exception {
    switch (arguments[0]) {
      case "about" -> about();
      case "one" -> one();
      default -> worker();
    }
  }
}
