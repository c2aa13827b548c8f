package jobwire;

import static jobwire.Codec.mapOf;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import jobwire.Codec.Policy;
import jobwire.Codec.Rejected;
import jobwire.Producer.Gone;
import jobwire.Producer.Reference;
import jobwire.Values.Encoding;
import jobwire.Values.Malformed;
import jobwire.Values.Unwritable;

/** The adapter of the conformance suite: requests on standard input, answers on standard output. */
public final class Adapter {
  private Producer producer;

  private Adapter() {}

  public static void main(String[] arguments) throws IOException, Malformed {
    Adapter adapter = new Adapter();
    ExecutorService waiting = Executors.newCachedThreadPool();
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      Map<String, Object> request = Values.read(line.getBytes(StandardCharsets.UTF_8)).fields();
      // What waits for a server has a thread of its own.
      if (List.of("enqueue", "wait", "cancel").contains(String.valueOf(request.get("op")))) {
        waiting.execute(() -> adapter.reply(request));
      } else {
        adapter.reply(request);
      }
    }
    waiting.shutdown();
  }

  private void reply(Map<String, Object> request) {
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("ref", request.get("ref"));
    try {
      answer.putAll(answer(request));
    } catch (Rejected error) {
      Map<String, Object> said = new LinkedHashMap<>();
      said.put("code", error.code);
      said.put("field", error.field);
      answer.put("error", said);
    } catch (Unwritable error) {
      answer.put("error", Map.of("code", "invalid"));
    } catch (Exception error) {
      answer.put("failed", String.valueOf(error));
    }
    write(answer);
  }

  private static synchronized void write(Map<String, Object> answer) {
    try {
      System.out.write(Values.generate(answer));
      System.out.write('\n');
      System.out.flush();
    } catch (IOException error) {
      throw new java.io.UncheckedIOException(error);
    }
  }

  private Map<String, Object> answer(Map<String, Object> request) throws Exception {
    switch (String.valueOf(request.get("op"))) {
      case "hello":
        return hello();
      case "decode":
        byte[] bytes = Base64.getDecoder().decode((String) request.get("bytes"));
        return Map.of("job", Codec.withDefaults(Codec.decode(bytes).fields()));
      case "encode":
        byte[] encoded = Values.write(Producer.envelope(mapOf(request, "job")), encoding(request));
        return Map.of("bytes", Base64.getEncoder().encodeToString(encoded));
      case "delay":
        long[] range = Policy.of(request).delayRange(Codec.longOf(request, "attempt", 1));
        return Map.of("ms", List.of(range[0], range[1]));
      case "enqueue":
        return Map.of("status", producer().enqueue(mapOf(request, "job"), encoding(request)));
      case "cancel":
        return Map.of("status", producer().cancel(reference(request)));
      case "wait":
        return await(request);
      default:
        return Map.of("unsupported", true);
    }
  }

  private static Map<String, Object> hello() {
    return Map.of(
        "name", "jobwire-java", "version", "1.0.0", "spec", "1.0",
        "roles", List.of("codec", "producer", "worker"),
        "profiles", List.of("core", "cancel", "progress", "workflow"));
  }

  @SuppressWarnings("unchecked")
  private Map<String, Object> await(Map<String, Object> request) throws Exception {
    List<Reference> jobs = new ArrayList<>();
    for (Object job : Codec.listOf(request, "jobs")) {
      jobs.add(reference((Map<String, Object>) job));
    }
    try {
      return producer()
          .await(jobs, Codec.longOf(request, "timeout_ms", 0))
          .<Map<String, Object>>map(outcome -> Map.of("outcome", outcome))
          .orElse(Map.of("timeout", true));
    } catch (Gone gone) {
      return Map.of("gone", true);
    }
  }

  private static Encoding encoding(Map<String, Object> request) {
    return "msgpack".equals(request.get("format")) ? Encoding.MSGPACK : Encoding.JSON;
  }

  private static Reference reference(Map<String, Object> request) {
    return new Reference((String) request.get("queue"), (String) request.get("id"));
  }

  private synchronized Producer producer() throws IOException {
    if (producer == null) {
      Settings settings = Settings.fromEnvironment();
      producer = new Producer(settings.url(), settings.namespace());
    }
    return producer;
  }
}
