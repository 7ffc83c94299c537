// Sends and receives with credentials, and is refused with a wrong secret.

import { UnauthorizedException } from 'rocketmq-client-nodejs';
import { message, receiveAll, say, send, withProducer, withSimpleConsumer } from './program.js';

const accessKey = process.env.ROCKETMQ_ACCESS_KEY;
const right = { sessionCredentials: { accessKey, accessSecret: process.env.ROCKETMQ_SECRET_KEY } };
const wrong = { sessionCredentials: { accessKey, accessSecret: 'wrong' } };

await withProducer(producer => send(producer, message('allowed')), right);
await withSimpleConsumer(consumer => receiveAll(consumer, 1), right);

// Without a topic, the producer asks for the route when it sends. Startup would try three times, and
// throw an Error that has the refusal among its causes.
try {
  await withProducer(producer => producer.send(message('forged')), { ...wrong, topic: undefined });
} catch (error) {
  if (!(error instanceof UnauthorizedException)) throw error;
  say('refused', 'forged');
}
