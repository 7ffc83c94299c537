package interop;

import java.util.List;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Consumes three messages of one message group, of which the listener refuses the first once. */
final class FifoRetry {
    private FifoRetry() {
    }

    public static void main(String[] args) throws Exception {
        List<String> bodies = List.of("first", "second", "third");
        try (Producer producer = Program.producer(Program.configuration())) {
            for (String body : bodies) {
                Program.send(producer, Program.message(body).setMessageGroup("queue").build());
            }
        }
        Program.consume(FilterExpression.SUB_ALL, bodies.size(), FifoRetry::consume);
    }

    private static ConsumeResult consume(MessageView message) {
        String body = Program.body(message);
        System.out.println("received " + body + " attempt=" + message.getDeliveryAttempt());
        if (body.equals("first") && message.getDeliveryAttempt() == 1) {
            System.out.println("failed " + body);
            return ConsumeResult.FAILURE;
        }
        return ConsumeResult.SUCCESS;
    }
}
