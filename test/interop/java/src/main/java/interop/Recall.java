package interop;

import java.time.Duration;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.SendReceipt;

/** Sends two messages to be delivered later, and takes the first of them back. */
final class Recall {
    private Recall() {
    }

    public static void main(String[] args) throws Exception {
        try (Producer producer = Program.producer(Program.configuration())) {
            SendReceipt unwanted = sendLater(producer, "unwanted", Duration.ofSeconds(10));
            sendLater(producer, "wanted", Duration.ofSeconds(12));
            producer.recallMessage(Program.TOPIC, unwanted.getRecallHandle());
            System.out.println("recalled unwanted");
        }
        try (SimpleConsumer consumer = Program.simpleConsumer(Program.configuration(), FilterExpression.SUB_ALL)) {
            Program.receiveAll(consumer, 1, Program::nothing);
        }
    }

    private static SendReceipt sendLater(Producer producer, String body, Duration delay) throws ClientException {
        long due = System.currentTimeMillis() + delay.toMillis();
        return Program.send(producer, Program.message(body).setDeliveryTimestamp(due).build());
    }
}
