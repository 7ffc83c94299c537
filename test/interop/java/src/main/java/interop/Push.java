package interop;

import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Consumes two messages with a PushConsumer, whose listener refuses one of them once. */
final class Push {
    private Push() {
    }

    public static void main(String[] args) throws Exception {
        try (Producer producer = Program.producer(Program.configuration())) {
            Program.send(producer, Program.message("good").build());
            Program.send(producer, Program.message("bad").build());
        }
        Program.consume(FilterExpression.SUB_ALL, 2, Push::consume);
    }

    private static ConsumeResult consume(MessageView message) {
        String body = Program.body(message);
        System.out.println("received " + body + " attempt=" + message.getDeliveryAttempt());
        if (body.equals("bad") && message.getDeliveryAttempt() == 1) {
            System.out.println("failed " + body);
            return ConsumeResult.FAILURE;
        }
        return ConsumeResult.SUCCESS;
    }
}
