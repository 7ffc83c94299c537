package interop;

import java.util.List;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Sends messages of two message groups and consumes each group in order. */
final class Fifo {
    private Fifo() {
    }

    public static void main(String[] args) throws Exception {
        List<String> bodies = List.of("a-1", "b-1", "a-2", "b-2", "a-3", "b-3");
        try (Producer producer = Program.producer(Program.configuration())) {
            for (String body : bodies) {
                Program.send(producer, Program.message(body).setMessageGroup(body.substring(0, 1)).build());
            }
        }
        Program.consume(FilterExpression.SUB_ALL, bodies.size(), message -> {
            String group = message.getMessageGroup().orElse("");
            System.out.println("received " + Program.body(message) + " group=" + group);
            return ConsumeResult.SUCCESS;
        });
    }
}
