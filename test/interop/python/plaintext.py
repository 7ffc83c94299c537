"""Sends and receives a message in plaintext, which is the client's default."""

import program

with program.producer() as producer:
    program.send(producer, program.message("hello"))

with program.simple_consumer() as consumer:
    program.receive_all(consumer, 1)
