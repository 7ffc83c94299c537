// Sends a message that is delivered five seconds later.

import { message, receiveAll, send, withProducer, withSimpleConsumer } from './program.js';

await withProducer(producer => send(producer, message('later', { delay: 5000 })));
await withSimpleConsumer(consumer => receiveAll(consumer, 1));
