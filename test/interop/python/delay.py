"""Sends a message that is delivered five seconds later."""

import time

import program

with program.producer() as producer:
    message = program.message("later")
    message.delivery_timestamp = int(time.time()) + 5
    program.send(producer, message)

with program.simple_consumer() as consumer:
    program.receive_all(consumer, 1)
