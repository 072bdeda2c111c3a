import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** The same work on several threads at once. */
final class Workers {
  interface Work {
    void run(int worker) throws Exception;
  }

  private Workers() {}

  /** Returns when all have ended; throws what the first of them threw. */
  static void run(int workers, Work work) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(workers);
    List<Callable<Void>> calls = new ArrayList<>();
    for (int i = 0; i < workers; i++) {
      int worker = i;
      calls.add(() -> {
        work.run(worker);
        return null;
      });
    }
    try {
      for (Future<Void> call : pool.invokeAll(calls)) call.get();
    } finally {
      pool.shutdownNow();
    }
  }
}
