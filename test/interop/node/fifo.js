// Sends messages of two message groups, and consumes each group in order.

import { ConsumeResult } from 'rocketmq-client-nodejs';
import { consume, message, say, send, withProducer } from './program.js';

const bodies = [ 'a-1', 'b-1', 'a-2', 'b-2', 'a-3', 'b-3' ];

await withProducer(async producer => {
  for (const body of bodies) await send(producer, message(body, { messageGroup: body[0] }));
});

await consume(bodies.length, received => {
  say('received', received.body, `group=${received.messageGroup}`);
  return ConsumeResult.SUCCESS;
});

process.exit(); // a logger of the consumer is never closed, and keeps the process up
