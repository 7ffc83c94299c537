"""Receives messages whose properties match an SQL92 expression."""

import program
from rocketmq import FilterExpression
from rocketmq.grpc_protocol import FilterType  # the package itself does not have it

WARES = [
    ("cheap", {"colour": "red", "price": "5"}),
    ("dear", {"colour": "red", "price": "50"}),
    ("cold", {"colour": "blue", "price": "50"}),
    ("plain", {"price": "50"}),
    ("last", {"colour": "red", "price": "60"}),
]


def attributes(received):
    return [f"{name}={received.properties[name]}" for name in ("colour", "price")]


with program.producer() as producer:
    for body, properties in WARES:
        message = program.message(body)
        for name, value in properties.items():
            message.add_property(name, value)
        program.send(producer, message)

expression = FilterExpression("colour = 'red' AND price > 10", FilterType.SQL)
with program.simple_consumer(expression) as consumer:
    program.receive_all(consumer, 2, attributes)
