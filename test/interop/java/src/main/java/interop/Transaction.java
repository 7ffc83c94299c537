package interop;

import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.TransactionResolution;

/**
 * Sends three messages in transactions: one is committed, one rolled back, and one is left alone until the server
 * asks for it.
 */
final class Transaction {
    private Transaction() {
    }

    public static void main(String[] args) throws Exception {
        try (Producer producer = Program.PROVIDER.newProducerBuilder()
            .setClientConfiguration(Program.configuration())
            .setTopics(Program.TOPIC)
            .setTransactionChecker(message -> {
                System.out.println("checked " + Program.body(message));
                return TransactionResolution.COMMIT;
            })
            .build()) {
            begin(producer, "paid").commit();
            System.out.println("committed paid");
            begin(producer, "cancelled").rollback();
            System.out.println("rolled-back cancelled");
            begin(producer, "forgotten");
            receive();
        }
    }

    /** Sends a message in a new transaction. */
    private static org.apache.rocketmq.client.apis.producer.Transaction begin(Producer producer, String body)
        throws ClientException {
        var transaction = producer.beginTransaction();
        producer.send(Program.message(body).build(), transaction);
        System.out.println("sent " + body);
        return transaction;
    }

    private static void receive() throws Exception {
        try (SimpleConsumer consumer = Program.simpleConsumer(Program.configuration(), FilterExpression.SUB_ALL)) {
            Program.receiveAll(consumer, 2, Program::nothing);
        }
    }
}
