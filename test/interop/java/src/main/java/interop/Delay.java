package interop;

import java.time.Duration;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Sends a message that is delivered ten seconds later. */
final class Delay {
    private Delay() {
    }

    public static void main(String[] args) throws Exception {
        try (Producer producer = Program.producer(Program.configuration())) {
            long due = System.currentTimeMillis() + Duration.ofSeconds(10).toMillis();
            Program.send(producer, Program.message("later").setDeliveryTimestamp(due).build());
        }
        try (SimpleConsumer consumer = Program.simpleConsumer(Program.configuration(), FilterExpression.SUB_ALL)) {
            Program.receiveAll(consumer, 1, Program::nothing);
        }
    }
}
