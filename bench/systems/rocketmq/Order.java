import java.util.HashMap;
import java.util.Map;

/** What is asked for, as `name=value` arguments. */
final class Order {
  private final Map<String, String> values = new HashMap<>();

  Order(String[] arguments, int from) {
    for (int i = from; i < arguments.length; i++) {
      String[] pair = arguments[i].split("=", 2);
      values.put(pair[0], pair[1]);
    }
  }

  /** Throws where the argument is missing: there are no defaults on this side. */
  String text(String name) {
    String value = values.get(name);
    if (value == null) throw new IllegalArgumentException("There is no argument " + name);
    return value;
  }

  int number(String name) {
    return Integer.parseInt(text(name));
  }
}
