package interop;

import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.LitePushConsumer;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Consumes the messages of one lite topic of two. */
final class Lite {
    private Lite() {
    }

    public static void main(String[] args) throws Exception {
        CountDownLatch received = new CountDownLatch(1);
        try (LitePushConsumer consumer = Program.PROVIDER.newLitePushConsumerBuilder()
            .setClientConfiguration(Program.configuration())
            .setConsumerGroup(Program.GROUP)
            .bindTopic(Program.TOPIC)
            .setMessageListener(message -> {
                String lite = message.getLiteTopic().orElse("");
                System.out.println("received " + Program.body(message) + " lite=" + lite);
                received.countDown();
                return ConsumeResult.SUCCESS;
            })
            .build()) {
            consumer.subscribeLite("room-1");
            try (Producer producer = Program.producer(Program.configuration())) {
                Program.send(producer, Program.message("elsewhere").setLiteTopic("room-2").build());
                Program.send(producer, Program.message("here").setLiteTopic("room-1").build());
            }
            received.await();
        }
    }
}
