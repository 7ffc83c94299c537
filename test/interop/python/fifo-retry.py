"""Consumes three messages of one message group, of which the listener refuses the first once."""

import program
from rocketmq import ConsumeResult

BODIES = ["first", "second", "third"]


def listen(received):
    body = received.body.decode()
    program.say("received", body, f"attempt={received.delivery_attempt}")
    if body == "first" and received.delivery_attempt == 1:
        program.say("failed", body)
        return ConsumeResult.FAILURE
    return ConsumeResult.SUCCESS


with program.producer() as producer:
    for body in BODIES:
        message = program.message(body)
        message.message_group = "queue"
        program.send(producer, message)

program.consume(len(BODIES), listen)
