package interop;

import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.FilterExpressionType;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.MessageBuilder;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Receives messages whose properties match an SQL92 expression. */
final class FilterSql {
    private FilterSql() {
    }

    public static void main(String[] args) throws Exception {
        try (Producer producer = Program.producer(Program.configuration())) {
            send(producer, "cheap", "red", 5);
            send(producer, "dear", "red", 50);
            send(producer, "cold", "blue", 50);
            send(producer, "plain", null, 50);
            send(producer, "last", "red", 60);
        }
        FilterExpression filter = new FilterExpression("colour = 'red' AND price > 10", FilterExpressionType.SQL92);
        try (SimpleConsumer consumer = Program.simpleConsumer(Program.configuration(), filter)) {
            Program.receiveAll(consumer, 2, message -> Program.properties(message, "colour", "price"));
        }
    }

    private static void send(Producer producer, String body, String colour, int price) throws ClientException {
        MessageBuilder message = Program.message(body).addProperty("price", String.valueOf(price));
        if (colour != null) {
            message.addProperty("colour", colour);
        }
        Program.send(producer, message.build());
    }
}
