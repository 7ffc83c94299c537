//! Consumes messages of two tags out of three.

use rocketflow_interop::{client, consume, message, send, start_producer, Result};
use rocketmq::model::common::{FilterExpression, FilterType};

#[tokio::main]
async fn main() -> Result {
    let producer = start_producer(client()).await?;
    for colour in ["red", "green", "blue"] {
        send(&producer, colour, message(colour).set_tag(colour).build()?).await?;
    }
    producer.shutdown().await?;

    let filter = FilterExpression::new(FilterType::Tag, "red || blue");
    consume(client(), filter, 2, |message| {
        format!(" tag={}", message.tag().unwrap_or_default())
    })
    .await
}
