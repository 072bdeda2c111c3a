import java.util.Properties;
import java.util.function.Consumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** A broker under test: its topics, its settings, and clients that differ from the defaults in nothing that matters. */
final class Connection {
  private static final int QUEUES = 8;
  private static final int READ_AND_WRITE = 6;
  private static final int SEND_TIMEOUT_MS = 10_000;
  private static final int ROUTE_WITHIN_MS = 20_000;

  private final String nameServer;
  private final String broker;
  private final DefaultMQAdminExt admin = new DefaultMQAdminExt(10_000L);
  private int clients;

  Connection(String nameServer, String broker) throws MQClientException {
    this.nameServer = nameServer;
    this.broker = broker;
    admin.setNamesrvAddr(nameServer);
    admin.setInstanceName("admin");
    admin.start();
  }

  /** A new topic, known to the name server when this returns. */
  String topic(String workload) throws Exception {
    String topic = workload + "_" + System.currentTimeMillis();
    admin.createAndUpdateTopicConfig(broker, new TopicConfig(topic, QUEUES, QUEUES, READ_AND_WRITE));
    long deadline = System.currentTimeMillis() + ROUTE_WITHIN_MS;
    while (true) {
      try {
        admin.examineTopicRouteInfo(topic);
        return topic;
      } catch (MQClientException notYet) {
        if (System.currentTimeMillis() > deadline) throw notYet;
        Thread.sleep(100);
      }
    }
  }

  /** When halves are checked first, and how often again. The broker takes a new interval up after its present one. */
  void checkAfter(long firstMs, long intervalMs) throws Exception {
    Properties settings = new Properties();
    settings.setProperty("transactionCheckInterval", Long.toString(intervalMs));
    settings.setProperty("transactionTimeOut", Long.toString(firstMs));
    admin.updateBrokerConfig(broker, settings);
  }

  /** Each producer has connections of its own, as if it were another process. */
  TransactionMQProducer producer(String group, TransactionListener listener) throws MQClientException {
    TransactionMQProducer producer = new TransactionMQProducer(group);
    producer.setNamesrvAddr(nameServer);
    producer.setInstanceName("producer-" + ++clients);
    producer.setSendMsgTimeout(SEND_TIMEOUT_MS);
    producer.setTransactionListener(listener);
    producer.start();
    return producer;
  }

  void consume(String topic, Consumer<MessageExt> receipt) throws MQClientException {
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer("consumer_" + topic);
    consumer.setNamesrvAddr(nameServer);
    consumer.setInstanceName("consumer-" + ++clients);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      messages.forEach(receipt);
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
  }
}
