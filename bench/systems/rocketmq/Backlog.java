import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Many undecided transactions of ten producer groups that all become due for a check at the same moment. */
final class Backlog {
  private static final int GROUPS = 10;
  private static final int FILLING_THREADS = 32;
  private static final long NEVER_MS = 3_600_000;
  /** The defaults of RocketMQ. */
  private static final long FIRST_CHECK_MS = 6_000;
  private static final long INTERVAL_MS = 30_000;
  private static final long FIRST_CHECK_WITHIN_SECONDS = 120;
  /** After the last expected message, for duplicates. */
  private static final long LINGER_MS = 2_000;

  private final Connection connection;
  private final int transactions;
  private final int hangingGroups;
  private final int refusingGroups;
  private final int patienceSeconds;
  private final Payload payload;
  private final String topic;
  private final TransactionMQProducer[] producers = new TransactionMQProducer[GROUPS];
  private final Receipts receipts;
  private final CountDownLatch expected;
  private final CountDownLatch firstCheck = new CountDownLatch(1);
  private final AtomicInteger checkCalls = new AtomicInteger();
  private long firstCheckAt;

  Backlog(Connection connection, Order order) throws Exception {
    this.connection = connection;
    transactions = order.number("transactions");
    hangingGroups = Math.round(order.number("hangingPercent") * GROUPS / 100f);
    refusingGroups = Math.round(order.number("refusingPercent") * GROUPS / 100f);
    patienceSeconds = order.number("patienceSeconds");
    payload = new Payload(order.number("payloadBytes"));
    receipts = new Receipts(transactions);
    expected = new CountDownLatch(answerable());
    topic = connection.topic("backlog");
    connection.consume(topic, this::receive);
    for (int group = 0; group < GROUPS; group++) {
      producers[group] = connection.producer("producers_" + group + "_" + topic, new Undecided(hangs(group)));
    }
  }

  void run() throws Exception {
    connection.checkAfter(NEVER_MS, INTERVAL_MS);
    long begin = System.nanoTime();
    fill();
    double fillSeconds = (System.nanoTime() - begin) / 1e9;
    for (int group = 0; group < GROUPS; group++) if (refuses(group)) producers[group].shutdown();
    // Opened earlier, the younger halves would miss the first round and wait for a whole interval.
    Thread.sleep(FIRST_CHECK_MS);
    connection.checkAfter(FIRST_CHECK_MS, INTERVAL_MS);
    if (!firstCheck.await(FIRST_CHECK_WITHIN_SECONDS, TimeUnit.SECONDS)) {
      throw new IllegalStateException("The broker checked nothing for " + FIRST_CHECK_WITHIN_SECONDS + " s");
    }
    Report.measuring();
    expected.await(patienceSeconds, TimeUnit.SECONDS);
    Thread.sleep(LINGER_MS);
    report(fillSeconds);
  }

  private boolean hangs(int group) {
    return group < hangingGroups;
  }

  private boolean refuses(int group) {
    return group >= hangingGroups && group < hangingGroups + refusingGroups;
  }

  private boolean canAnswer(int transaction) {
    return transaction % GROUPS >= hangingGroups + refusingGroups;
  }

  private int answerable() {
    return (int) IntStream.range(0, transactions).filter(this::canAnswer).count();
  }

  private void fill() throws Exception {
    AtomicInteger next = new AtomicInteger();
    Workers.run(FILLING_THREADS, worker -> {
      for (int i = next.getAndIncrement(); i < transactions; i = next.getAndIncrement()) {
        Message message = new Message(topic, payload.of(i));
        SendStatus status = producers[i % GROUPS].sendMessageInTransaction(message, null).getSendStatus();
        if (status != SendStatus.SEND_OK) throw new IllegalStateException("A half message was answered " + status);
      }
    });
  }

  private void receive(MessageExt message) {
    if (receipts.add(message) && canAnswer(Payload.transaction(message))) expected.countDown();
  }

  private synchronized void noteCheck(long now) {
    if (checkCalls.getAndIncrement() > 0) return;
    firstCheckAt = now;
    firstCheck.countDown();
  }

  private void report(double fillSeconds) {
    long[] delivered = IntStream.range(0, transactions)
        .filter(transaction -> canAnswer(transaction) && receipts.has(transaction))
        .mapToLong(transaction -> receipts.firstAt(transaction) - firstCheckAt)
        .sorted()
        .toArray();
    new Report()
        .number("fillSeconds", fillSeconds)
        .number("halfSeconds", secondsTo(delivered, 0.5))
        .number("percent99Seconds", secondsTo(delivered, 0.99))
        .number("lastSeconds", secondsTo(delivered, 1))
        .number("answerable", answerable())
        .number("delivered", delivered.length)
        .number("duplicates", receipts.duplicates(0, transactions))
        .number("checkCalls", checkCalls.get())
        .print();
  }

  /** Until that share of the answerable transactions was delivered; null: it was not, within the patience. */
  private Double secondsTo(long[] delivered, double share) {
    int wanted = (int) Math.ceil(share * answerable());
    if (wanted == 0 || wanted > delivered.length) return null;
    double seconds = delivered[wanted - 1] / 1e9;
    return seconds > patienceSeconds ? null : seconds;
  }

  /** Leaves the transaction undecided, and commits when asked, unless it hangs. */
  private final class Undecided implements TransactionListener {
    private final boolean hangs;

    Undecided(boolean hangs) {
      this.hangs = hangs;
    }

    @Override
    public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
      return LocalTransactionState.UNKNOW;
    }

    @Override
    public LocalTransactionState checkLocalTransaction(MessageExt message) {
      noteCheck(System.nanoTime());
      if (hangs) sleepForEver();
      return LocalTransactionState.COMMIT_MESSAGE;
    }

    private void sleepForEver() {
      try {
        Thread.sleep(Long.MAX_VALUE);
      } catch (InterruptedException stopped) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
