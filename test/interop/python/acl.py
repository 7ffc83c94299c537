"""Sends and receives with credentials, and is refused with a wrong secret."""

import os

import program
from rocketmq import Credentials

ACCESS_KEY = os.environ["ROCKETMQ_ACCESS_KEY"]

right = program.configuration(Credentials(ACCESS_KEY, os.environ["ROCKETMQ_SECRET_KEY"]))
with program.producer(right) as producer:
    program.send(producer, program.message("allowed"))
with program.simple_consumer(config=right) as consumer:
    program.receive_all(consumer, 1)

wrong = program.configuration(Credentials(ACCESS_KEY, "wrong"))
with program.producer(wrong) as producer:
    try:
        producer.send(program.message("forged"))
    except Exception as error:
        # That the server refused it is in the log of the client alone; here it has no route to the topic.
        if "route" not in str(error):
            raise
        program.say("refused", "forged")
