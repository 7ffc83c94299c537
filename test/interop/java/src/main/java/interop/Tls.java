package interop;

import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Sends and receives a message over TLS, which is the client's default. */
final class Tls {
    private Tls() {
    }

    public static void main(String[] args) throws Exception {
        try (Producer producer = Program.producer(Program.configuration())) {
            Program.send(producer, Program.message("hello").build());
        }
        try (SimpleConsumer consumer = Program.simpleConsumer(Program.configuration(), FilterExpression.SUB_ALL)) {
            Program.receiveAll(consumer, 1, Program::nothing);
        }
    }
}
