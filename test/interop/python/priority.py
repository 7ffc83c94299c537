"""Sends messages of three priorities, and receives the most urgent first."""

import program

with program.producer() as producer:
    for body, priority in [("low", 1), ("middle", 3), ("high", 7)]:
        message = program.message(body)
        message.priority = priority
        program.send(producer, message)

with program.simple_consumer() as consumer:
    for _ in range(3):  # one at a time, since a message more urgent than those of a batch may come meanwhile
        program.receive_all(consumer, 1)
