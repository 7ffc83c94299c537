//! Receives messages whose properties match an SQL92 expression.

use std::collections::HashMap;

use rocketflow_interop::{client, message, receive, send, start_producer, Result};
use rocketmq::model::common::{FilterExpression, FilterType};

#[tokio::main]
async fn main() -> Result {
    let producer = start_producer(client()).await?;
    for (body, colour, price) in [
        ("cheap", Some("red"), "5"),
        ("dear", Some("red"), "50"),
        ("cold", Some("blue"), "50"),
        ("plain", None, "50"),
        ("last", Some("red"), "60"),
    ] {
        let mut properties = HashMap::from([("price", price)]);
        properties.extend(colour.map(|colour| ("colour", colour)));
        let outgoing = message(body).set_properties(properties).build()?;
        send(&producer, body, outgoing).await?;
    }
    producer.shutdown().await?;

    let filter = FilterExpression::new(FilterType::Sql, "colour = 'red' AND price > 10");
    receive(client(), filter, 2, |message| {
        let properties = message.properties();
        format!(
            " colour={} price={}",
            properties["colour"], properties["price"]
        )
    })
    .await
}
