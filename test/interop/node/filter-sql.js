// Receives messages whose properties match an SQL92 expression.

import { FilterExpression } from 'rocketmq-client-nodejs';
// The client does not export the enums that its own functions want.
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import { message, receiveAll, send, withProducer, withSimpleConsumer } from './program.js';

const wares = [
  [ 'cheap', { colour: 'red', price: '5' }],
  [ 'dear', { colour: 'red', price: '50' }],
  [ 'cold', { colour: 'blue', price: '50' }],
  [ 'plain', { price: '50' }],
  [ 'last', { colour: 'red', price: '60' }],
];

await withProducer(async producer => {
  for (const [ body, properties ] of wares) {
    await send(producer, message(body, { properties: new Map(Object.entries(properties)) }));
  }
});

const filter = new FilterExpression("colour = 'red' AND price > 10", definitions.FilterType.SQL);
await withSimpleConsumer(consumer => receiveAll(consumer, 2, received => [
  `colour=${received.properties.get('colour')}`,
  `price=${received.properties.get('price')}`,
]), { filter });
