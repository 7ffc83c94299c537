// Consumes three messages of one message group, of which the listener refuses the first once.

import { ConsumeResult } from 'rocketmq-client-nodejs';
import { consume, message, say, send, withProducer } from './program.js';

const bodies = [ 'first', 'second', 'third' ];

await withProducer(async producer => {
  for (const body of bodies) await send(producer, message(body, { messageGroup: 'queue' }));
});

await consume(bodies.length, received => {
  const body = received.body.toString();
  say('received', body, `attempt=${received.deliveryAttempt}`);
  if (body === 'first' && received.deliveryAttempt === 1) {
    say('failed', body);
    return ConsumeResult.FAILURE;
  }
  return ConsumeResult.SUCCESS;
});

process.exit(); // a logger of the consumer is never closed, and keeps the process up
