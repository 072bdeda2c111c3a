import java.io.PrintStream;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.StringJoiner;

/** Lines of JSON on the standard output: one when measuring begins, one with the result. */
final class Report {
  private static final PrintStream OUT = System.out;

  private final Map<String, String> fields = new LinkedHashMap<>();

  /** The logging library of RocketMQ talks on the standard output, which belongs to the report. */
  static void claimStandardOutput() {
    System.setOut(System.err);
  }

  static void measuring() {
    OUT.println("{\"event\":\"measuring\"}");
    OUT.flush();
  }

  Report number(String name, long value) {
    return raw(name, Long.toString(value));
  }

  /** Null: there is no such figure. */
  Report number(String name, Double value) {
    return raw(name, value == null ? "null" : Double.toString(Math.round(value * 1000) / 1000.0));
  }

  /** Median, 99th percentile and maximum in milliseconds. Sorts the given nanoseconds. */
  Report spread(String name, long[] nanos) {
    Arrays.sort(nanos);
    Report spread = new Report();
    spread.number("p50", quantile(nanos, 0.5)).number("p99", quantile(nanos, 0.99)).number("max", quantile(nanos, 1));
    return raw(name, spread.json());
  }

  Report none(String name) {
    return raw(name, "null");
  }

  void print() {
    OUT.println("{\"event\":\"result\",\"result\":" + json() + "}");
    OUT.flush();
  }

  private Report raw(String name, String json) {
    fields.put(name, json);
    return this;
  }

  private String json() {
    StringJoiner joined = new StringJoiner(",", "{", "}");
    fields.forEach((name, value) -> joined.add("\"" + name + "\":" + value));
    return joined.toString();
  }

  private static Double quantile(long[] sorted, double share) {
    if (sorted.length == 0) return 0.0;
    return sorted[(int) Math.ceil(share * sorted.length) - 1] / 1e6;
  }
}
