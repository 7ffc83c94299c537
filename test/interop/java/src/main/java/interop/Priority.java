package interop;

import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Sends messages of three priorities and receives the most urgent first. */
final class Priority {
    private Priority() {
    }

    public static void main(String[] args) throws Exception {
        try (Producer producer = Program.producer(Program.configuration())) {
            Program.send(producer, Program.message("low").setPriority(1).build());
            Program.send(producer, Program.message("middle").setPriority(3).build());
            Program.send(producer, Program.message("high").setPriority(7).build());
        }
        try (SimpleConsumer consumer = Program.simpleConsumer(Program.configuration(), FilterExpression.SUB_ALL)) {
            // One at a time, since a message more urgent than those of a batch may come meanwhile.
            for (int i = 0; i < 3; i++) {
                Program.receiveAll(consumer, 1, Program::nothing);
            }
        }
    }
}
