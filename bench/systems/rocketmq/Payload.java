import java.nio.ByteBuffer;
import java.util.Random;
import org.apache.rocketmq.common.message.Message;

/** Bodies of a given size that begin with the number of their transaction. */
final class Payload {
  private final byte[] filling;

  Payload(int bytes) {
    filling = new byte[Math.max(bytes, Integer.BYTES)];
    new Random(1).nextBytes(filling);
  }

  byte[] of(int transaction) {
    byte[] body = filling.clone();
    ByteBuffer.wrap(body).putInt(transaction);
    return body;
  }

  static int transaction(Message message) {
    return ByteBuffer.wrap(message.getBody()).getInt();
  }
}
