package interop;

import org.apache.rocketmq.client.apis.ClientConfiguration;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Sends and receives a message in plaintext. */
final class Plaintext {
    private Plaintext() {
    }

    public static void main(String[] args) throws Exception {
        ClientConfiguration configuration = Program.configurationBuilder().enableSsl(false).build();
        try (Producer producer = Program.producer(configuration)) {
            Program.send(producer, Program.message("hello").build());
        }
        try (SimpleConsumer consumer = Program.simpleConsumer(configuration, FilterExpression.SUB_ALL)) {
            Program.receiveAll(consumer, 1, Program::nothing);
        }
    }
}
