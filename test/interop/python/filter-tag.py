"""Consumes messages of two tags out of three."""

import program
from rocketmq import ConsumeResult, FilterExpression


def listen(received):
    program.say("received", received.body.decode(), f"tag={received.tag}")
    return ConsumeResult.SUCCESS


with program.producer() as producer:
    for colour in ["red", "green", "blue"]:
        message = program.message(colour)
        message.tag = colour
        program.send(producer, message)

program.consume(2, listen, FilterExpression("red || blue"))
