package interop;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.rocketmq.client.apis.ClientConfiguration;
import org.apache.rocketmq.client.apis.ClientConfigurationBuilder;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.ClientServiceProvider;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.MessageListener;
import org.apache.rocketmq.client.apis.consumer.PushConsumer;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.Message;
import org.apache.rocketmq.client.apis.message.MessageBuilder;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.SendReceipt;

/** What the programs share: the configuration, taken from the environment, and loops around consumers. */
final class Program {
    static final ClientServiceProvider PROVIDER = ClientServiceProvider.loadService();
    static final String TOPIC = System.getenv("ROCKETMQ_TOPIC");
    static final String GROUP = System.getenv("ROCKETMQ_GROUP");
    /**
     * How long a request may take. The client's default is 3 s; one that is given up may have been carried out all the
     * same, and a message be there twice.
     */
    static final Duration REQUEST_TIMEOUT = Duration.ofSeconds(30);
    /** For how long a received message is hidden from the rest of the group. */
    static final Duration INVISIBLE = Duration.ofSeconds(30);
    /** How long a receive waits for messages. */
    static final Duration AWAIT = Duration.ofSeconds(5);

    private Program() {
    }

    static ClientConfiguration configuration() {
        return configurationBuilder().build();
    }

    /** What all clients need, to which more can be added. */
    static ClientConfigurationBuilder configurationBuilder() {
        return ClientConfiguration.newBuilder()
            .setEndpoints(System.getenv("ROCKETMQ_ENDPOINT"))
            .setRequestTimeout(REQUEST_TIMEOUT);
    }

    static Producer producer(ClientConfiguration configuration) throws ClientException {
        return PROVIDER.newProducerBuilder().setClientConfiguration(configuration).setTopics(TOPIC).build();
    }

    static MessageBuilder message(String body) {
        return PROVIDER.newMessageBuilder().setTopic(TOPIC).setBody(body.getBytes(StandardCharsets.UTF_8));
    }

    /** Sends the message and prints that it is sent. */
    static SendReceipt send(Producer producer, Message message) throws ClientException {
        SendReceipt receipt = producer.send(message);
        System.out.println("sent " + StandardCharsets.UTF_8.decode(message.getBody()));
        return receipt;
    }

    static String body(MessageView message) {
        return StandardCharsets.UTF_8.decode(message.getBody()).toString();
    }

    static SimpleConsumer simpleConsumer(ClientConfiguration configuration, FilterExpression filter)
        throws ClientException {
        return PROVIDER.newSimpleConsumerBuilder()
            .setClientConfiguration(configuration)
            .setConsumerGroup(GROUP)
            .setAwaitDuration(AWAIT)
            .setSubscriptionExpressions(Map.of(TOPIC, filter))
            .build();
    }

    /** Receives and acknowledges n messages. Prints that each is received, with what more there is to say of it. */
    static void receiveAll(SimpleConsumer consumer, int n, Function<MessageView, String> attributes)
        throws ClientException {
        while (n > 0) {
            List<MessageView> messages = consumer.receive(n, INVISIBLE);
            for (MessageView message : messages) {
                System.out.println("received " + body(message) + attributes.apply(message));
                consumer.ack(message);
                System.out.println("acked " + body(message));
            }
            n -= messages.size();
        }
    }

    /** Says nothing more of a message. */
    static String nothing(MessageView message) {
        return "";
    }

    /** Shows the properties of these names that the message has. */
    static String properties(MessageView message, String... names) {
        return Stream.of(names)
            .filter(message.getProperties()::containsKey)
            .map(name -> " " + name + "=" + message.getProperties().get(name))
            .collect(Collectors.joining());
    }

    /** Hands what the filter lets through to the listener until it has consumed n messages. */
    static void consume(FilterExpression filter, int n, MessageListener listener) throws Exception {
        CountDownLatch consumed = new CountDownLatch(n);
        try (PushConsumer consumer = PROVIDER.newPushConsumerBuilder()
            .setClientConfiguration(configuration())
            .setConsumerGroup(GROUP)
            .setSubscriptionExpressions(Map.of(TOPIC, filter))
            .setMessageListener(message -> {
                ConsumeResult result = listener.consume(message);
                if (result == ConsumeResult.SUCCESS) {
                    consumed.countDown();
                }
                return result;
            })
            .build()) {
            consumed.await();
        }
    }
}
