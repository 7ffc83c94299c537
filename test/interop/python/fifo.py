"""Sends messages of two message groups, and consumes each group in order."""

import program
from rocketmq import ConsumeResult

BODIES = ["a-1", "b-1", "a-2", "b-2", "a-3", "b-3"]


def listen(received):
    program.say("received", received.body.decode(), f"group={received.message_group}")
    return ConsumeResult.SUCCESS


with program.producer() as producer:
    for body in BODIES:
        message = program.message(body)
        message.message_group = body[0]
        program.send(producer, message)

program.consume(len(BODIES), listen)
