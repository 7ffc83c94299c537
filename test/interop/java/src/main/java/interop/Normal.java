package interop;

import java.util.List;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Sends three messages, with a tag, a key and a property, and receives them with a SimpleConsumer. */
final class Normal {
    private Normal() {
    }

    public static void main(String[] args) throws Exception {
        try (Producer producer = Program.producer(Program.configuration())) {
            List<String> bodies = List.of("one", "two", "three");
            for (String body : bodies) {
                Program.send(producer, Program.message(body)
                    .setTag("number")
                    .setKeys("key-" + body)
                    .addProperty("size", String.valueOf(bodies.indexOf(body) + 1))
                    .build());
            }
        }
        try (SimpleConsumer consumer = Program.simpleConsumer(Program.configuration(), FilterExpression.SUB_ALL)) {
            Program.receiveAll(consumer, 3, Normal::attributes);
        }
    }

    private static String attributes(MessageView message) {
        return " tag=" + message.getTag().orElse("") + " key=" + String.join(",", message.getKeys())
            + Program.properties(message, "size");
    }
}
