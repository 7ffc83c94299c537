// Sends a message that is delivered ten seconds later.

import { message, receiveAll, send, withProducer, withSimpleConsumer } from './program.js';

await withProducer(producer => send(producer, message('later', { delay: 10_000 })));
await withSimpleConsumer(consumer => receiveAll(consumer, 1));
