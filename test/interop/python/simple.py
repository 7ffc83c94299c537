"""Receives a message, makes it visible again after a second, and acknowledges it when it has come back."""

import program


def receive_one(consumer):
    received = program.receive(consumer, 1)[0]
    program.say("received", received.body.decode(), f"attempt={received.delivery_attempt}")
    return received


with program.producer() as producer:
    program.send(producer, program.message("again"))

with program.simple_consumer() as consumer:
    first = receive_one(consumer)
    consumer.change_invisible_duration(first, 1)
    program.say("postponed", first.body.decode())
    second = receive_one(consumer)
    consumer.ack(second)
    program.say("acked", second.body.decode())
