// Receives a message, makes it visible again after a second, and acknowledges it when it has come back.

import { message, receive, say, send, withProducer, withSimpleConsumer } from './program.js';

async function receiveOne(consumer) {
  const [ received ] = await receive(consumer, 1);
  say('received', received.body, `attempt=${received.deliveryAttempt}`);
  return received;
}

await withProducer(producer => send(producer, message('again')));

await withSimpleConsumer(async consumer => {
  const first = await receiveOne(consumer);
  await consumer.changeInvisibleDuration(first, 1000);
  say('postponed', first.body);
  const second = await receiveOne(consumer);
  await consumer.ack(second);
  say('acked', second.body);
});
