package jobwire.conformance;

import java.io.IOException;
import jobwire.Settings;
import jobwire.Worker;

/** The worker, with the handlers of the conformance suite. */
public final class WorkerMain {
  private WorkerMain() {}

  public static void main(String[] arguments) throws IOException {
    new Worker(Settings.fromEnvironment(), Handlers.all()).main(() -> System.out.println("ready"));
  }
}
