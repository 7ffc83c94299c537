//! Sends a message that is delivered ten seconds later.

use rocketflow_interop::{
    client, everything, message, nothing, receive, seconds_from_now, send, start_producer, Result,
};

#[tokio::main]
async fn main() -> Result {
    let producer = start_producer(client()).await?;
    let later = message("later")
        .set_delivery_timestamp(seconds_from_now(10)?)
        .build()?;
    send(&producer, "later", later).await?;
    producer.shutdown().await?;

    receive(client(), everything(), 1, nothing).await
}
