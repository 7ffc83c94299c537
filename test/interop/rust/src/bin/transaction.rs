//! Commits a transaction, rolls another back, and leaves a third alone until the server asks for it.

use rocketflow_interop::{body, client, everything, message, nothing, receive, to_topic, Result};
use rocketmq::model::transaction::{Transaction, TransactionResolution};
use rocketmq::Producer;

#[tokio::main]
async fn main() -> Result {
    let checker = Box::new(|_transaction_id, message| {
        println!("checked {}", body(&message));
        TransactionResolution::COMMIT
    });
    let mut producer = Producer::new_transaction_producer(to_topic(), client(), checker)?;
    producer.start().await?;

    begin(&producer, "paid").await?.commit().await?;
    println!("committed paid");
    begin(&producer, "cancelled").await?.rollback().await?;
    println!("rolled-back cancelled");
    begin(&producer, "forgotten").await?;

    receive(client(), everything(), 2, nothing).await?;
    producer.shutdown().await?;
    Ok(())
}

/// Sends a message in a new transaction.
async fn begin(producer: &Producer, body: &str) -> Result<impl Transaction> {
    let outgoing = message(body).enable_transaction().build()?;
    let transaction = producer.send_transaction_message(outgoing).await?;
    println!("sent {body}");
    Ok(transaction)
}
