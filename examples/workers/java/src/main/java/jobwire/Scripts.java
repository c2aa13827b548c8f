package jobwire;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Function;
import java.util.regex.Pattern;
import jobwire.Values.Encoding;
import jobwire.Values.Unwritable;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.JedisPool;
import redis.clients.jedis.JedisPoolConfig;
import redis.clients.jedis.Protocol;
import redis.clients.jedis.exceptions.JedisDataException;
import redis.clients.jedis.exceptions.JedisException;
import redis.clients.jedis.util.SafeEncoder;

/** The Redis binding, SPEC.md section 7: keys, and calls of the scripts. */
public final class Scripts implements AutoCloseable {
  /** An error that sending again does not mend: [CALL-5] [CALL-6], and [CALL-8] for who is not patient. */
  public static final class Fatal extends Exception {
    Fatal(String message) {
      super(message);
    }
  }

  /** A reply; resent tells that an earlier call was perhaps executed. */
  public record Reply(List<Object> parts, boolean resent) {
    long number(int index) {
      return (Long) parts.get(index);
    }

    String text(int index) {
      return new String(bytes(index), StandardCharsets.UTF_8);
    }

    byte[] bytes(int index) {
      return (byte[]) parts.get(index);
    }

    int size() {
      return parts.size();
    }
  }

  private static final List<String> NAMES =
      List.of("jobs", "record", "ready", "scheduled", "active", "failed", "outcomes", "progress", "control", "wake");
  private static final Pattern PASSING =
      Pattern.compile("(READONLY|LOADING|TRYAGAIN|CLUSTERDOWN|MOVED|ASK|UNBLOCKED)\\b.*", Pattern.DOTALL);
  private static final int TIMEOUT_MS = 10000;

  private record Script(byte[] source, byte[] sha) {}

  final JedisPool pool;
  private final String namespace;
  private final boolean patient;
  private final Map<String, Script> scripts = new LinkedHashMap<>();

  private final SecureRandom random = new SecureRandom();

  /** A connection was lost. */
  volatile boolean interrupted;

  Scripts(String url, String namespace, boolean patient, int connections) throws IOException {
    JedisPoolConfig config = new JedisPoolConfig();
    config.setMaxTotal(connections);
    config.setMaxIdle(connections);
    config.setJmxEnabled(false);
    this.pool = new JedisPool(config, java.net.URI.create(url), TIMEOUT_MS);
    this.namespace = namespace;
    this.patient = patient;
    Path folder = Path.of(Settings.setting("LUA", Settings.checkout("lua").toString()));
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*.lua")) {
      for (Path file : files) {
        byte[] source = Files.readAllBytes(file);
        scripts.put(file.getFileName().toString().replace(".lua", ""), new Script(source, sha1(source)));
      }
    }
  }

  private static byte[] sha1(byte[] source) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-1").digest(source)).getBytes(StandardCharsets.US_ASCII);
    } catch (NoSuchAlgorithmException error) {
      throw new IllegalStateException(error);
    }
  }

  String key(String queue, String name) {
    return namespace + ":{" + queue + "}:" + name;
  }

  /** The keys of a call, with a result key for each id. */
  List<String> keys(String queue, String... ids) {
    List<String> keys = new ArrayList<>();
    NAMES.forEach(name -> keys.add(key(queue, name)));
    for (String id : ids) {
      keys.add(key(queue, "result:" + id));
    }
    return keys;
  }

  /** Load all scripts. [CALL-1] */
  void load() {
    with(
        jedis -> {
          scripts.values().forEach(script -> jedis.scriptLoad(script.source()));
          return null;
        });
  }

  void awaitLoaded() {
    while (true) {
      try {
        load();
        return;
      } catch (JedisException error) {
        pause(100);
      }
    }
  }

  String nonce() {
    byte[] bytes = new byte[16];
    random.nextBytes(bytes);
    return HexFormat.of().formatHex(bytes);
  }

  /** Send a call once, and load scripts that the server has forgotten. [CALL-2] */
  @SuppressWarnings("unchecked")
  List<Object> once(String name, List<String> keys, Object... arguments) {
    byte[][] all = new byte[keys.size() + arguments.length][];
    for (int at = 0; at < all.length; at++) {
      Object part = at < keys.size() ? keys.get(at) : arguments[at - keys.size()];
      all[at] = part instanceof byte[] bytes ? bytes : SafeEncoder.encode(String.valueOf(part));
    }
    try {
      return (List<Object>) with(jedis -> jedis.evalsha(scripts.get(name).sha(), keys.size(), all));
    } catch (JedisDataException error) {
      if (!String.valueOf(error.getMessage()).startsWith("NOSCRIPT")) {
        throw error;
      }
    }
    load();
    return once(name, keys, arguments);
  }

  /** Send a call until it is answered. [CALL-7] [CALL-9] */
  Reply call(String name, List<String> keys, Object... arguments) throws Fatal {
    boolean resent = false;
    for (int waitMs = 20; ; waitMs = Math.min(waitMs * 2, 1000)) {
      try {
        return new Reply(once(name, keys, arguments), resent);
      } catch (JedisException error) {
        if (isFatal(error) || !(patient || passes(error))) {
          throw new Fatal(String.valueOf(error.getMessage()));
        }
        System.err.println(name + ": " + error.getMessage() + "; sending again");
        resent = true;
        pause(ThreadLocalRandom.current().nextInt(waitMs / 2, waitMs));
      }
    }
  }

  /** Store the outcome of a member; once all are there the reply has them in order. [FLOW-8] */
  Reply join(Map<String, Object> join, byte[] document) throws Fatal, Values.TooLarge {
    String queue = (String) Codec.stepOf(Codec.listOf(join, "then")).get("queue");
    String key = key(queue, "join:" + join.get("group"));
    long ttlMs = Codec.longOf(join, "ttl_ms", 2592000000L);
    Reply reply = call("join", List.of(key), Codec.longOf(join, "index", 0), Codec.longOf(join, "size", 0), document, ttlMs);
    if (reply.number(1) == -1) {
      throw new Values.TooLarge();
    }
    return reply;
  }

  /** Enqueue the next job of a workflow. [FLOW-11] */
  void pass(Map<String, Object> next, Encoding encoding) throws Unwritable, Fatal {
    List<String> keys = keys((String) next.get("queue"), (String) next.get("id"));
    if (call("pass", keys, Codec.enqueueArguments(next, encoding)).text(1).equals("refused")) {
      throw new Values.TooLarge();
    }
  }

  /**
   * Block on lists for at most so long; return the one that had something, or null. A fraction of a
   * second is no argument of the client's own call.
   */
  String block(List<String> lists, long waitMs) {
    List<String> arguments = new ArrayList<>(lists);
    arguments.add(String.valueOf(Math.max(waitMs, 10) / 1000.0));
    byte[][] all = arguments.stream().map(SafeEncoder::encode).toArray(byte[][]::new);
    Object popped = with(jedis -> jedis.sendCommand(Protocol.Command.BLPOP, all));
    return popped instanceof List<?> parts ? SafeEncoder.encode((byte[]) parts.get(0)) : null;
  }

  private <T> T with(Function<Jedis, T> talk) {
    try (Jedis jedis = pool.getResource()) {
      return talk.apply(jedis);
    } catch (JedisException error) {
      if (!(error instanceof JedisDataException)) {
        interrupted = true;
        pool.clear(); // the other connections are likely as old
      }
      throw error;
    }
  }

  static boolean isFatal(JedisException error) {
    return error instanceof JedisDataException && String.valueOf(error.getMessage()).startsWith("JOBWIRE_");
  }

  private static boolean passes(JedisException error) {
    return !(error instanceof JedisDataException) || PASSING.matcher(String.valueOf(error.getMessage())).matches();
  }

  static void pause(long ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    pool.close();
  }
}
