package interop;

import java.util.List;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.FilterExpressionType;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Consumes messages of two tags out of three. */
final class FilterTag {
    private FilterTag() {
    }

    public static void main(String[] args) throws Exception {
        try (Producer producer = Program.producer(Program.configuration())) {
            for (String colour : List.of("red", "green", "blue")) {
                Program.send(producer, Program.message(colour).setTag(colour).build());
            }
        }
        FilterExpression filter = new FilterExpression("red || blue", FilterExpressionType.TAG);
        Program.consume(filter, 2, message -> {
            System.out.println("received " + Program.body(message) + " tag=" + message.getTag().orElse(""));
            return ConsumeResult.SUCCESS;
        });
    }
}
