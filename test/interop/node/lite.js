// Consumes the messages of one lite topic of two.

import { ConsumeResult, LitePushConsumerBuilder } from 'rocketmq-client-nodejs';
import { counting, group, message, options, say, send, topic, withProducer } from './program.js';

const { messageListener, consumed } = counting(1, received => {
  say('received', received.body, `lite=${received.liteTopic}`);
  return ConsumeResult.SUCCESS;
});

const consumer = await new LitePushConsumerBuilder()
  .setClientConfiguration(options)
  .setConsumerGroup(group)
  .bindTopic(topic)
  .setMessageListener(messageListener)
  .build();
try {
  await consumer.subscribeLite('room-1');
  await withProducer(async producer => {
    await send(producer, message('elsewhere', { liteTopic: 'room-2' }));
    await send(producer, message('here', { liteTopic: 'room-1' }));
  });
  await consumed;
} finally {
  await consumer.close();
}

process.exit(); // a logger of the consumer is never closed, and keeps the process up
