//! Sends three messages, with a tag, a key and a property, and receives them with a SimpleConsumer.

use std::collections::HashMap;

use rocketflow_interop::{client, everything, message, receive, send, start_producer, Result};

#[tokio::main]
async fn main() -> Result {
    let producer = start_producer(client()).await?;
    for (index, body) in ["one", "two", "three"].iter().enumerate() {
        let outgoing = message(body)
            .set_tag("number")
            .set_keys(vec![format!("key-{body}")])
            .set_properties(HashMap::from([("size", format!("{}", index + 1))]))
            .build()?;
        send(&producer, body, outgoing).await?;
    }
    producer.shutdown().await?;

    receive(client(), everything(), 3, |message| {
        let tag = message.tag().unwrap_or_default();
        let keys = message.keys().join(",");
        format!(
            " tag={tag} key={keys} size={}",
            message.properties()["size"]
        )
    })
    .await
}
