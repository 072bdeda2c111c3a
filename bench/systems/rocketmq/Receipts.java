import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLongArray;
import org.apache.rocketmq.common.message.MessageExt;

/** What a consumer received, by the number of the transaction. */
final class Receipts {
  private final AtomicIntegerArray counts;
  private final AtomicLongArray firstAt;
  private final AtomicInteger distinct = new AtomicInteger();

  Receipts(int transactions) {
    counts = new AtomicIntegerArray(transactions);
    firstAt = new AtomicLongArray(transactions);
  }

  /** Whether it is the first one of its transaction. */
  boolean add(MessageExt message) {
    long now = System.nanoTime();
    int transaction = Payload.transaction(message);
    if (counts.getAndIncrement(transaction) > 0) return false;
    firstAt.set(transaction, now);
    distinct.incrementAndGet();
    return true;
  }

  /** Transactions received so far. */
  int distinct() {
    return distinct.get();
  }

  int count(int transaction) {
    return counts.get(transaction);
  }

  boolean has(int transaction) {
    return firstAt.get(transaction) != 0;
  }

  /** On the clock of `System.nanoTime`; 0: not received. */
  long firstAt(int transaction) {
    return firstAt.get(transaction);
  }

  /** Receipts beyond the first, of the transactions from `from` to before `to`. */
  long duplicates(int from, int to) {
    long duplicates = 0;
    for (int i = from; i < to; i++) duplicates += Math.max(0, counts.get(i) - 1);
    return duplicates;
  }

  /** Waits until that many were received, or none came for a while. */
  void await(int wanted, long quietMs) throws InterruptedException {
    int before = -1;
    long progressAt = System.nanoTime();
    while (distinct() < wanted && System.nanoTime() - progressAt < quietMs * 1_000_000) {
      if (distinct() != before) progressAt = System.nanoTime();
      before = distinct();
      Thread.sleep(20);
    }
  }
}
