package interop;

import org.apache.rocketmq.client.apis.ClientConfiguration;
import org.apache.rocketmq.client.apis.StaticSessionCredentialsProvider;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.java.exception.UnauthorizedException;

/** Sends and receives a message with the credentials of a user, and is refused with a wrong secret. */
final class Acl {
    private Acl() {
    }

    public static void main(String[] args) throws Exception {
        ClientConfiguration own = configuration(System.getenv("ROCKETMQ_SECRET_KEY"));
        send(own, "allowed");
        try (SimpleConsumer consumer = Program.simpleConsumer(own, FilterExpression.SUB_ALL)) {
            Program.receiveAll(consumer, 1, Program::nothing);
        }
        try {
            send(configuration("wrong"), "forged");
        } catch (IllegalStateException e) {
            if (!unauthorized(e)) {
                throw e;
            }
            System.out.println("refused forged");
        }
    }

    /** Looks for the reason among the causes: a producer that cannot be built says only that it has failed. */
    private static boolean unauthorized(Throwable e) {
        return e != null && (e instanceof UnauthorizedException || unauthorized(e.getCause()));
    }

    private static ClientConfiguration configuration(String secret) {
        return Program.configurationBuilder()
            .setCredentialProvider(new StaticSessionCredentialsProvider(System.getenv("ROCKETMQ_ACCESS_KEY"), secret))
            .build();
    }

    private static void send(ClientConfiguration configuration, String body) throws Exception {
        try (Producer producer = Program.producer(configuration)) {
            Program.send(producer, Program.message(body).build());
        }
    }
}
