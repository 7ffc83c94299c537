"""Sends a message that is delivered ten seconds later."""

import time

import program

with program.producer() as producer:
    message = program.message("later")
    message.delivery_timestamp = int(time.time()) + 10
    program.send(producer, message)

with program.simple_consumer() as consumer:
    program.receive_all(consumer, 1)
