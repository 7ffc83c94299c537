// Commits a transaction, rolls another back, and leaves a third alone until the server asks for it.

// The client does not export the enums that its own functions want.
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import { message, receiveAll, say, send, withProducer, withSimpleConsumer } from './program.js';

const checker = {
  async check(pending) {
    say('checked', pending.body);
    return definitions.TransactionResolution.COMMIT;
  },
};

async function begin(producer, body) {
  const transaction = producer.beginTransaction();
  await send(producer, message(body), transaction);
  return transaction;
}

await withProducer(async producer => {
  const paid = await begin(producer, 'paid');
  await paid.commit();
  say('committed', 'paid');
  const cancelled = await begin(producer, 'cancelled');
  await cancelled.rollback();
  say('rolled-back', 'cancelled');
  await begin(producer, 'forgotten');
  await withSimpleConsumer(consumer => receiveAll(consumer, 2));
}, { checker });
