// Sends messages of three priorities, and receives the most urgent first.

import { message, receiveAll, send, withProducer, withSimpleConsumer } from './program.js';

await withProducer(async producer => {
  await send(producer, message('low', { priority: 1 }));
  await send(producer, message('middle', { priority: 3 }));
  await send(producer, message('high', { priority: 7 }));
});

await withSimpleConsumer(async consumer => {
  // One at a time, since a message more urgent than those of a batch may come meanwhile.
  for (let i = 0; i < 3; i++) await receiveAll(consumer, 1);
});
