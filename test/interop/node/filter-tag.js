// Consumes messages of two tags out of three.

import { ConsumeResult, FilterExpression } from 'rocketmq-client-nodejs';
import { consume, message, say, send, withProducer } from './program.js';

await withProducer(async producer => {
  for (const colour of [ 'red', 'green', 'blue' ]) await send(producer, message(colour, { tag: colour }));
});

await consume(2, received => {
  say('received', received.body, `tag=${received.tag}`);
  return ConsumeResult.SUCCESS;
}, new FilterExpression('red || blue'));

process.exit(); // a logger of the consumer is never closed, and keeps the process up
