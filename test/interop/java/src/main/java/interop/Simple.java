package interop;

import java.time.Duration;
import java.util.List;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;

/**
 * Receives a message with a SimpleConsumer, makes it visible again after a second, and acknowledges it when it
 * has come for the second time.
 */
final class Simple {
    private Simple() {
    }

    public static void main(String[] args) throws Exception {
        try (Producer producer = Program.producer(Program.configuration())) {
            Program.send(producer, Program.message("again").build());
        }
        try (SimpleConsumer consumer = Program.simpleConsumer(Program.configuration(), FilterExpression.SUB_ALL)) {
            MessageView first = receiveOne(consumer);
            consumer.changeInvisibleDuration(first, Duration.ofSeconds(1));
            System.out.println("postponed " + Program.body(first));
            MessageView second = receiveOne(consumer);
            consumer.ack(second);
            System.out.println("acked " + Program.body(second));
        }
    }

    private static MessageView receiveOne(SimpleConsumer consumer) throws ClientException {
        List<MessageView> messages = List.of();
        while (messages.isEmpty()) {
            messages = consumer.receive(1, Program.INVISIBLE);
        }
        MessageView message = messages.get(0);
        System.out.println("received " + Program.body(message) + " attempt=" + message.getDeliveryAttempt());
        return message;
    }
}
