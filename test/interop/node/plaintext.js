// Sends and receives a message in plaintext, which is the client's default.

import { message, receiveAll, send, withProducer, withSimpleConsumer } from './program.js';

await withProducer(producer => send(producer, message('hello')));
await withSimpleConsumer(consumer => receiveAll(consumer, 1));
