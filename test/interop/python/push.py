"""Consumes two messages with a PushConsumer, whose listener refuses one of them once."""

import program
from rocketmq import ConsumeResult


def listen(received):
    body = received.body.decode()
    program.say("received", body, f"attempt={received.delivery_attempt}")
    if body == "bad" and received.delivery_attempt == 1:
        program.say("failed", body)
        return ConsumeResult.FAILURE
    return ConsumeResult.SUCCESS


with program.producer() as producer:
    for body in ["good", "bad"]:
        program.send(producer, program.message(body))

program.consume(2, listen)
