/** Runs one workload against a broker: `Main throughput|backlog|slowLocal name=value…`. */
final class Main {
  private Main() {}

  public static void main(String[] arguments) {
    Report.claimStandardOutput();
    int exitCode = 0;
    try {
      run(arguments[0], new Order(arguments, 1));
    } catch (Throwable error) {
      error.printStackTrace();
      exitCode = 1;
    }
    // Threads of clients that hang on purpose would keep the process alive, and closing clients takes seconds.
    Runtime.getRuntime().halt(exitCode);
  }

  private static void run(String workload, Order order) throws Exception {
    Connection connection = new Connection(order.text("nameServer"), order.text("broker"));
    switch (workload) {
      case "throughput" -> new Throughput(connection, order).run();
      case "backlog" -> new Backlog(connection, order).run();
      case "slowLocal" -> new SlowLocal(connection, order).run();
      default -> throw new IllegalArgumentException("There is no workload " + workload);
    }
  }
}
