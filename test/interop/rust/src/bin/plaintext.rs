//! Sends and receives a message in plaintext, which is the client's default.

use rocketflow_interop::{
    client, everything, message, nothing, receive, send, start_producer, Result,
};

#[tokio::main]
async fn main() -> Result {
    let producer = start_producer(client()).await?;
    send(&producer, "hello", message("hello").build()?).await?;
    producer.shutdown().await?;

    receive(client(), everything(), 1, nothing).await
}
