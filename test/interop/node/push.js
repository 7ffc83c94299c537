// Consumes two messages with a PushConsumer, whose listener refuses one of them once.

import { ConsumeResult } from 'rocketmq-client-nodejs';
import { consume, message, say, send, withProducer } from './program.js';

await withProducer(async producer => {
  for (const body of [ 'good', 'bad' ]) await send(producer, message(body));
});

await consume(2, received => {
  say('received', received.body, `attempt=${received.deliveryAttempt}`);
  if (received.body.toString() === 'bad' && received.deliveryAttempt === 1) {
    say('failed', received.body);
    return ConsumeResult.FAILURE;
  }
  return ConsumeResult.SUCCESS;
});

process.exit(); // a logger of the consumer is never closed, and keeps the process up
