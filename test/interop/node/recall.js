// Sends two messages to be delivered later, and takes the first of them back.

import { message, receiveAll, say, send, topic, withProducer, withSimpleConsumer } from './program.js';

await withProducer(async producer => {
  const unwanted = await send(producer, message('unwanted', { delay: 10_000 }));
  await send(producer, message('wanted', { delay: 12_000 }));
  await producer.recallMessage(topic, unwanted.recallHandle);
  say('recalled', 'unwanted');
});

await withSimpleConsumer(consumer => receiveAll(consumer, 1));
