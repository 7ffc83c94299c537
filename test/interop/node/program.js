// What the programs beside it share: clients configured from the environment, and the loops around consumers.

import { ConsumeResult, FilterExpression, Producer, PushConsumer, SimpleConsumer } from 'rocketmq-client-nodejs';

export const topic = process.env.ROCKETMQ_TOPIC;
export const group = process.env.ROCKETMQ_GROUP;

/**
 * The options that all clients need. A request may take 30 s. The client's default is 3 s; one that is given up may
 * have been carried out all the same, and a message be there twice.
 */
export const options = { endpoints: process.env.ROCKETMQ_ENDPOINT, namespace: '', requestTimeout: 30_000 };

/** For how many milliseconds a received message is hidden from the rest of the group. */
export const invisible = 30_000;

export function say(...words) {
  console.log(words.join(' '));
}

/** Starts the client, hands it to the block, and shuts it down when that has ended. */
export async function running(client, block) {
  await client.startup();
  try {
    await block(client);
  } finally {
    await client.shutdown();
  }
}

/** Hands a producer to the block. Options given here replace the default ones. */
export async function withProducer(block, more = {}) {
  await running(new Producer({ ...options, topic, ...more }), block);
}

/** Hands a consumer of what the filter lets through to the block. */
export async function withSimpleConsumer(block, { filter = FilterExpression.SUB_ALL, ...more } = {}) {
  const subscriptions = new Map([[ topic, filter ]]);
  await running(new SimpleConsumer({ ...options, consumerGroup: group, subscriptions, ...more }), block);
}

/** Returns a message to the topic. */
export function message(body, more = {}) {
  return { topic, body: Buffer.from(body), ...more };
}

/** Sends the message, prints that it is sent, and returns the receipt. */
export async function send(producer, outgoing, transaction) {
  const receipt = await producer.send(outgoing, transaction);
  say('sent', outgoing.body);
  return receipt;
}

/** Waits until at least one message has come, and returns at most limit. */
export async function receive(consumer, limit) {
  for (;;) {
    const messages = await consumer.receive(limit, invisible);
    if (messages.length > 0) return messages;
  }
}

/** Receives and acknowledges count messages, and prints each with its attributes. */
export async function receiveAll(consumer, count, attributes = () => []) {
  while (count > 0) {
    for (const received of await receive(consumer, count)) {
      say('received', received.body, ...attributes(received));
      await consumer.ack(received);
      say('acked', received.body);
      count--;
    }
  }
}

/** Hands what the filter lets through to listen until it has consumed count messages. */
export async function consume(count, listen, filter = FilterExpression.SUB_ALL) {
  const { messageListener, consumed } = counting(count, listen);
  const subscriptions = new Map([[ topic, filter ]]);
  await running(new PushConsumer({ ...options, consumerGroup: group, subscriptions, messageListener }), () => consumed);
}

/** Returns a listener, and a promise that is kept when listen has consumed count messages. */
export function counting(count, listen) {
  let enough;
  const consumed = new Promise(resolve => { enough = resolve; });
  const messageListener = {
    async consume(received) {
      const result = listen(received);
      if (result === ConsumeResult.SUCCESS && --count === 0) enough();
      return result;
    },
  };
  return { messageListener, consumed };
}
