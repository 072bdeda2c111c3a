import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Local transactions that last longer than the broker waits before it checks, and a checker that tells the truth. Their
 * durations are spread evenly, the same ones in every run.
 */
final class SlowLocal implements TransactionListener {
  /** Those of RocketMQ, in force again at the end. */
  private static final long DEFAULT_FIRST_CHECK_MS = 6_000;
  private static final long DEFAULT_INTERVAL_MS = 30_000;
  private static final int PAYLOAD_BYTES = 512;
  private static final long SETTINGS_WITHIN_SECONDS = 120;
  /** On top of two intervals, for the last check and its delivery. */
  private static final long LINGER_MS = 8_000;

  private final Connection connection;
  private final int transactions;
  private final int minMs;
  private final int maxMs;
  private final int firstCheckMs;
  private final int intervalMs;
  private final Receipts receipts;
  private final Set<Integer> committed = ConcurrentHashMap.newKeySet();
  private final AtomicInteger checkCalls = new AtomicInteger();

  SlowLocal(Connection connection, Order order) {
    this.connection = connection;
    transactions = order.number("transactions");
    minMs = order.number("minMs");
    maxMs = order.number("maxMs");
    firstCheckMs = order.number("firstCheckMs");
    intervalMs = order.number("intervalMs");
    receipts = new Receipts(transactions);
  }

  void run() throws Exception {
    connection.checkAfter(firstCheckMs, intervalMs);
    try {
      awaitSettings();
      Report.measuring();
      String topic = connection.topic("slow-local");
      connection.consume(topic, receipts::add);
      send(connection.producer("producers_" + topic, this), topic);
      Thread.sleep(2L * intervalMs + LINGER_MS);
    } finally {
      connection.checkAfter(DEFAULT_FIRST_CHECK_MS, DEFAULT_INTERVAL_MS);
    }
    report();
  }

  /** The broker first ends its present interval: a check of a transaction of no other use shows that it has. */
  private void awaitSettings() throws Exception {
    CountDownLatch checked = new CountDownLatch(1);
    String topic = connection.topic("settings");
    TransactionListener listener = new TransactionListener() {
      @Override
      public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
        return LocalTransactionState.UNKNOW;
      }

      @Override
      public LocalTransactionState checkLocalTransaction(MessageExt message) {
        checked.countDown();
        return LocalTransactionState.ROLLBACK_MESSAGE;
      }
    };
    TransactionMQProducer producer = connection.producer("producers_" + topic, listener);
    producer.sendMessageInTransaction(new Message(topic, new byte[1]), null);
    if (!checked.await(SETTINGS_WITHIN_SECONDS, TimeUnit.SECONDS)) {
      throw new IllegalStateException("The broker checked nothing for " + SETTINGS_WITHIN_SECONDS + " s");
    }
  }

  private void send(TransactionMQProducer producer, String topic) throws Exception {
    Payload payload = new Payload(PAYLOAD_BYTES);
    Workers.run(transactions, transaction ->
        producer.sendMessageInTransaction(new Message(topic, payload.of(transaction)), transaction));
  }

  @Override
  public LocalTransactionState executeLocalTransaction(Message message, Object transaction) {
    int localMs = minMs + (maxMs - minMs) * (Integer) transaction / Math.max(1, transactions - 1);
    try {
      Thread.sleep(localMs);
    } catch (InterruptedException stopped) {
      return LocalTransactionState.UNKNOW;
    }
    committed.add((Integer) transaction);
    return LocalTransactionState.COMMIT_MESSAGE;
  }

  @Override
  public LocalTransactionState checkLocalTransaction(MessageExt message) {
    checkCalls.incrementAndGet();
    boolean ended = committed.contains(Payload.transaction(message));
    return ended ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.UNKNOW;
  }

  private void report() {
    int deliveredTwice = 0;
    for (int i = 0; i < transactions; i++) if (receipts.count(i) > 1) deliveredTwice++;
    new Report()
        .number("delivered", receipts.distinct())
        .number("deliveredTwice", deliveredTwice)
        .number("duplicates", receipts.duplicates(0, transactions))
        .number("missing", transactions - receipts.distinct())
        .number("checkCalls", checkCalls.get())
        .print();
  }
}
