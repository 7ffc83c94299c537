"""Sends three messages, with a tag, a key and a property, and receives them with a SimpleConsumer."""

import program


def attributes(received):
    return [f"tag={received.tag}", f"key={','.join(received.keys)}", f"size={received.properties['size']}"]


with program.producer() as producer:
    for size, body in enumerate(["one", "two", "three"], start=1):
        message = program.message(body)
        message.tag = "number"
        message.keys = f"key-{body}"
        message.add_property("size", str(size))
        program.send(producer, message)

with program.simple_consumer() as consumer:
    program.receive_all(consumer, 3, attributes)
