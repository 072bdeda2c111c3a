import java.util.Arrays;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** A number of transactions always under way: half message, local transaction, commit. */
final class Throughput implements TransactionListener {
  /** More than two cores can do: sizes the tables, which must not grow while time is measured. */
  private static final int MOST_PER_SECOND = 50_000;
  /**
   * A message that has not come after so long without any other is counted as missing. It need not be lost: a commit the
   * broker dropped comes back by a check, 6 to 36 s later at the default settings.
   */
  private static final long QUIET_MS = 3_000;
  private static final long FAILED = -1;

  private final int inFlight;
  private final int warmUpSeconds;
  private final int seconds;
  private final long localMinNanos;
  private final long localMaxNanos;
  private final Payload payload;
  private final String topic;
  private final TransactionMQProducer producer;
  private final Receipts receipts;
  private final AtomicInteger next = new AtomicInteger();
  private final AtomicInteger failures = new AtomicInteger();
  private final long[] localNanos;
  private final long[] callNanos;
  private final AtomicLongArray decidedAt;

  Throughput(Connection connection, Order order) throws Exception {
    inFlight = order.number("inFlight");
    warmUpSeconds = order.number("warmUpSeconds");
    seconds = order.number("seconds");
    localMinNanos = order.number("localMinMs") * 1_000_000L;
    localMaxNanos = order.number("localMaxMs") * 1_000_000L;
    payload = new Payload(order.number("payloadBytes"));
    int most = (warmUpSeconds + seconds) * MOST_PER_SECOND + inFlight;
    localNanos = new long[most];
    callNanos = new long[most];
    decidedAt = new AtomicLongArray(most);
    receipts = new Receipts(most);
    topic = connection.topic("throughput");
    connection.consume(topic, receipts::add);
    producer = connection.producer("producers_" + topic, this);
  }

  void run() throws Exception {
    send(warmUpSeconds);
    receipts.await(next.get() - failures.get(), QUIET_MS);
    int from = next.get();
    Report.measuring();
    long begin = System.nanoTime();
    send(seconds);
    long sendingNanos = System.nanoTime() - begin;
    receipts.await(next.get() - failures.get(), QUIET_MS);
    report(from, next.get(), begin, sendingNanos);
  }

  private void send(int forSeconds) throws Exception {
    long end = System.nanoTime() + forSeconds * 1_000_000_000L;
    Workers.run(inFlight, worker -> {
      while (System.nanoTime() < end) sendOne(next.getAndIncrement());
    });
  }

  private void sendOne(int transaction) {
    Message message = new Message(topic, payload.of(transaction));
    long begin = System.nanoTime();
    try {
      SendStatus status = producer.sendMessageInTransaction(message, transaction).getSendStatus();
      if (status != SendStatus.SEND_OK) throw new IllegalStateException("The half message was answered " + status);
      callNanos[transaction] = System.nanoTime() - begin - localNanos[transaction];
    } catch (Exception error) {
      callNanos[transaction] = FAILED;
      if (failures.incrementAndGet() == 1) error.printStackTrace();
    }
  }

  @Override
  public LocalTransactionState executeLocalTransaction(Message message, Object transaction) {
    long begin = System.nanoTime();
    if (localMaxNanos > 0) {
      long end = begin + ThreadLocalRandom.current().nextLong(localMinNanos, localMaxNanos + 1);
      for (long left = end - begin; left > 0; left = end - System.nanoTime()) LockSupport.parkNanos(left);
    }
    long end = System.nanoTime();
    localNanos[(Integer) transaction] = end - begin;
    decidedAt.set((Integer) transaction, end);
    return LocalTransactionState.COMMIT_MESSAGE;
  }

  @Override
  public LocalTransactionState checkLocalTransaction(MessageExt message) {
    boolean decided = decidedAt.get(Payload.transaction(message)) != 0;
    return decided ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.UNKNOW;
  }

  private void report(int from, int to, long begin, long sendingNanos) {
    long[] calls = new long[to - from];
    long[] endToEnd = new long[to - from];
    int accepted = 0;
    int seen = 0;
    int missing = 0;
    long last = begin;
    for (int i = from; i < to; i++) {
      boolean wasAccepted = callNanos[i] != FAILED;
      boolean wasSeen = receipts.has(i);
      if (wasAccepted) calls[accepted++] = callNanos[i];
      if (wasAccepted && !wasSeen) missing++;
      if (!wasSeen) continue;
      endToEnd[seen++] = receipts.firstAt(i) - decidedAt.get(i);
      last = Math.max(last, receipts.firstAt(i));
    }
    new Report()
        .number("completePerSecond", seen == 0 ? 0.0 : seen * 1e9 / (last - begin))
        .number("acceptedPerSecond", accepted * 1e9 / sendingNanos)
        .spread("callMs", Arrays.copyOf(calls, accepted))
        .none("prepareMs")
        .none("commitMs")
        .spread("endToEndMs", Arrays.copyOf(endToEnd, seen))
        .number("accepted", accepted)
        .number("seen", seen)
        .number("missing", missing)
        .number("duplicates", receipts.duplicates(from, to))
        .number("failed", to - from - accepted)
        .print();
  }
}
