// Sends three messages, with a tag, a key and a property, and receives them with a SimpleConsumer.

import { message, receiveAll, send, withProducer, withSimpleConsumer } from './program.js';

await withProducer(async producer => {
  for (const [ index, body ] of [ 'one', 'two', 'three' ].entries()) {
    await send(producer, message(body, {
      tag: 'number',
      keys: [ `key-${body}` ],
      properties: new Map([[ 'size', `${index + 1}` ]]),
    }));
  }
});

await withSimpleConsumer(consumer => receiveAll(consumer, 3, received => [
  `tag=${received.tag}`,
  `key=${received.keys}`,
  `size=${received.properties.get('size')}`,
]));
