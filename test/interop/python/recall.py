"""Sends two messages to be delivered later, and takes the first of them back."""

import time

import program


def send_later(producer, body, seconds):
    message = program.message(body)
    message.delivery_timestamp = int(time.time()) + seconds
    return program.send(producer, message)


with program.producer() as producer:
    unwanted = send_later(producer, "unwanted", 10)
    send_later(producer, "wanted", 12)
    producer.recall_message(program.TOPIC, unwanted.recall_handle)
    program.say("recalled", "unwanted")

with program.simple_consumer() as consumer:
    program.receive_all(consumer, 1)
