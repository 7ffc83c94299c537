"""What the programs beside it share: clients configured from the environment, and the loops around consumers."""

import os
import sys
import threading
import time
from contextlib import contextmanager

from rocketmq import (ClientConfiguration, ConsumeResult, Credentials, FilterExpression, Message,
                      MessageListener, Producer, PushConsumer, SimpleConsumer)
from rocketmq.v5.exception import ClientException

TOPIC = os.environ["ROCKETMQ_TOPIC"]
GROUP = os.environ["ROCKETMQ_GROUP"]

REQUEST_TIMEOUT = 30
"""How many seconds a request may take. The client's default is 3; one that is given up may have been carried out all
the same, and a message be there twice."""

INVISIBLE = 30
"""For how many seconds a received message is hidden from the rest of the group."""


def say(*words):
    """Prints a line, whole and at once, from whichever thread."""
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def configuration(credentials=Credentials()):
    """Returns the configuration of a client, by default without credentials."""
    return ClientConfiguration(os.environ["ROCKETMQ_ENDPOINT"], credentials, request_timeout=REQUEST_TIMEOUT)


@contextmanager
def running(client):
    """Starts the client, and shuts it down at the end of the block."""
    client.startup()
    try:
        yield client
    finally:
        client.shutdown()


def producer(config=None, **options):
    """Returns a producer to the topic, to be used in a with statement."""
    return running(Producer(config or configuration(), (TOPIC,), **options))


def simple_consumer(expression=FilterExpression(), config=None):
    """Returns a consumer of what the expression lets through, to be used in a with statement."""
    return running(SimpleConsumer(config or configuration(), GROUP, {TOPIC: expression}))


def message(body):
    """Returns a message to the topic."""
    made = Message()
    made.topic = TOPIC
    made.body = body.encode()
    return made


def send(sender, outgoing, transaction=None):
    """Sends the message, prints that it is sent, and returns the receipt."""
    receipt = sender.send(outgoing, transaction)
    say("sent", outgoing.body.decode())
    return receipt


def receive(consumer, limit):
    """Waits until at least one message has come, and returns at most limit."""
    while True:
        try:
            messages = consumer.receive(limit, INVISIBLE)
        except ClientException as error:  # above all at first: startup does not wait until the server knows the client
            print(error, file=sys.stderr)
            time.sleep(1)
            continue
        if messages:
            return messages


def receive_all(consumer, count, attributes=lambda received: []):
    """Receives and acknowledges count messages, and prints each with its attributes."""
    while count > 0:
        for received in receive(consumer, count):
            body = received.body.decode()
            say("received", body, *attributes(received))
            consumer.ack(received)
            say("acked", body)
            count -= 1


class Counting(MessageListener):
    """A listener that counts what another function consumes, on many threads."""

    def __init__(self, listen):
        self.listen = listen
        self.consumed = threading.Semaphore(0)

    def consume(self, message):
        result = self.listen(message)
        if result == ConsumeResult.SUCCESS:
            self.consumed.release()
        return result

    def wait(self, count):
        """Waits until count messages are consumed."""
        for _ in range(count):
            self.consumed.acquire()


def consume(count, listen, expression=FilterExpression()):
    """Hands what the expression lets through to listen until it has consumed count messages."""
    listener = Counting(listen)
    with running(PushConsumer(configuration(), GROUP, listener, {TOPIC: expression})):
        listener.wait(count)
