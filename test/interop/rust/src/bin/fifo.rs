//! Sends messages of two message groups, and consumes each group in order.

use rocketflow_interop::{client, consume, everything, message, send, start_producer, Result};

#[tokio::main]
async fn main() -> Result {
    let bodies = ["a-1", "b-1", "a-2", "b-2", "a-3", "b-3"];
    let producer = start_producer(client()).await?;
    for body in bodies {
        let outgoing = message(body).set_message_group(&body[..1]).build()?;
        send(&producer, body, outgoing).await?;
    }
    producer.shutdown().await?;

    consume(client(), everything(), bodies.len(), |message| {
        format!(" group={}", message.message_group().unwrap_or_default())
    })
    .await
}
