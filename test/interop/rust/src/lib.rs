//! What the programs share: clients configured from the environment, and the loops around consumers.

use std::env;
use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rocketmq::conf::{ClientOption, ProducerOption, SimpleConsumerOption};
use rocketmq::model::common::{FilterExpression, FilterType};
use rocketmq::model::message::{Message, MessageBuilder, MessageView};
use rocketmq::{Producer, SimpleConsumer};

/// What a program ends with.
pub type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// How long a request may take. The client's default is 3 s; one that is given up may have been
/// carried out all the same, and a message be there twice.
const TIMEOUT: Duration = Duration::from_secs(30);

/// For how long a received message is hidden from the rest of the group.
pub const INVISIBLE: Duration = Duration::from_secs(30);

/// A variable of the environment, which has to be there.
pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("set {name}"))
}

/// The topic of the environment.
pub fn topic() -> String {
    variable("ROCKETMQ_TOPIC")
}

/// The options that all clients need.
pub fn client() -> ClientOption {
    let mut option = ClientOption::default();
    option.set_access_url(variable("ROCKETMQ_ENDPOINT"));
    option.set_timeout(TIMEOUT);
    option
}

/// The options of a producer to the topic.
pub fn to_topic() -> ProducerOption {
    let mut option = ProducerOption::default();
    option.set_topics(vec![topic()]);
    option
}

/// Starts a producer. The caller shuts it down.
pub async fn start_producer(client: ClientOption) -> Result<Producer> {
    let mut producer = Producer::new(to_topic(), client)?;
    producer.start().await?;
    Ok(producer)
}

/// A message to the topic, to which more can be added.
pub fn message(body: &str) -> MessageBuilder {
    MessageBuilder::builder()
        .set_topic(topic())
        .set_body(body.into())
}

/// Sends the message with this body, and prints that it is sent.
pub async fn send(producer: &Producer, body: &str, message: impl Message) -> Result {
    producer.send(message).await?;
    println!("sent {body}");
    Ok(())
}

/// The time so many seconds from now, in seconds since 1970.
pub fn seconds_from_now(seconds: u64) -> Result<i64> {
    let time = SystemTime::now() + Duration::from_secs(seconds);
    Ok(time.duration_since(UNIX_EPOCH)?.as_secs() as i64)
}

/// Receives and acknowledges count messages of the topic, and prints each with what attributes says
/// of it.
pub async fn receive(
    client: ClientOption,
    filter: FilterExpression,
    count: usize,
    attributes: fn(&MessageView) -> String,
) -> Result {
    let received =
        |message: &MessageView| println!("received {}{}", body(message), attributes(message));
    let acked = |message: &MessageView| println!("acked {}", body(message));
    handle(client, filter, count, received, acked).await
}

/// Does what a PushConsumer is for, which the client has not got: as receive, but it is the
/// consumer's own business that it acknowledges, and not told of.
pub async fn consume(
    client: ClientOption,
    filter: FilterExpression,
    count: usize,
    attributes: fn(&MessageView) -> String,
) -> Result {
    let received =
        |message: &MessageView| println!("received {}{}", body(message), attributes(message));
    handle(client, filter, count, received, |_| ()).await
}

/// Hands count messages to one function before, and to another after they are acknowledged.
async fn handle(
    client: ClientOption,
    filter: FilterExpression,
    count: usize,
    received: impl Fn(&MessageView),
    acked: impl Fn(&MessageView),
) -> Result {
    let mut option = SimpleConsumerOption::default();
    option.set_consumer_group(variable("ROCKETMQ_GROUP"));
    option.set_topics(vec![topic()]);
    let mut consumer = SimpleConsumer::new(option, client)?;
    consumer.start().await?;
    let mut left = count;
    while left > 0 {
        let messages = consumer
            .receive_with(topic(), &filter, left as i32, INVISIBLE)
            .await?;
        for message in &messages {
            received(message);
            consumer.ack(message).await?;
            acked(message);
        }
        left -= messages.len();
    }
    consumer.shutdown().await?;
    Ok(())
}

/// The filter that lets everything through.
pub fn everything() -> FilterExpression {
    FilterExpression::new(FilterType::Tag, "*")
}

/// For messages of which there is no more to say than their bodies.
pub fn nothing(_: &MessageView) -> String {
    String::new()
}

/// The body of a message, as text.
pub fn body(message: &MessageView) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}
