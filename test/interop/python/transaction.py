"""Commits a transaction, rolls another back, and leaves a third alone until the server asks for it."""

import program
from rocketmq import TransactionChecker, TransactionResolution


class Checker(TransactionChecker):

    def check(self, message):
        program.say("checked", message.body.decode())
        return TransactionResolution.COMMIT


def begin(producer, body):
    transaction = producer.begin_transaction()
    program.send(producer, program.message(body), transaction)
    return transaction


with program.producer(checker=Checker()) as producer:
    begin(producer, "paid").commit()
    program.say("committed", "paid")
    begin(producer, "cancelled").rollback()
    program.say("rolled-back", "cancelled")
    begin(producer, "forgotten")
    with program.simple_consumer() as consumer:
        program.receive_all(consumer, 2)
