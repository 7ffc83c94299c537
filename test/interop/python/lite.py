"""Consumes the messages of one lite topic of two."""

import program
from rocketmq import ConsumeResult, LitePushConsumer


def listen(received):
    program.say("received", received.body.decode(), f"lite={received.lite_topic}")
    return ConsumeResult.SUCCESS


listener = program.Counting(listen)
with program.running(LitePushConsumer(program.configuration(), program.GROUP, program.TOPIC, listener)) as consumer:
    consumer.subscribe_lite("room-1")
    with program.producer() as producer:
        for body, room in [("elsewhere", "room-2"), ("here", "room-1")]:
            message = program.message(body)
            message.lite_topic = room
            program.send(producer, message)
    listener.wait(1)
