package jobwire;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;

/** Settings from the environment; the README has the defaults. */
public record Settings(
    String url, String namespace, List<String> queues, int concurrency, long leaseMs, long graceMs, String name, boolean showStack) {

  public static Settings fromEnvironment() {
    return new Settings(
        setting("REDIS_URL", "redis://localhost:6379/0"),
        setting("NAMESPACE", "jobwire"),
        List.of(setting("QUEUES", "default").split(",")),
        Integer.parseInt(setting("CONCURRENCY", "8")),
        Long.parseLong(setting("LEASE_MS", "15000")),
        Long.parseLong(setting("GRACE_MS", "25000")),
        setting("WORKER", "java-" + ProcessHandle.current().pid()),
        setting("STACK", "on").equals("on"));
  }

  static String setting(String name, String otherwise) {
    return System.getenv().getOrDefault("JOBWIRE_" + name, otherwise);
  }

  /** A folder at the top of the checkout that this was built in. */
  static Path checkout(String name) {
    try {
      Path jar = Path.of(Settings.class.getProtectionDomain().getCodeSource().getLocation().toURI());
      return jar.getParent().resolve("../../../..").resolve(name).normalize();
    } catch (URISyntaxException error) {
      throw new IllegalStateException(error);
    }
  }
}
