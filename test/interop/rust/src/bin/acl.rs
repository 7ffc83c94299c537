//! Sends and receives with credentials, and is refused with a wrong secret.

use std::error::Error;

use rocketflow_interop::{
    client, everything, message, nothing, receive, send, start_producer, variable, Result,
};
use rocketmq::conf::ClientOption;
use rocketmq::error::{ClientError, ErrorKind};

#[tokio::main]
async fn main() -> Result {
    let right = || with_secret(&variable("ROCKETMQ_SECRET_KEY"));
    let producer = start_producer(right()).await?;
    send(&producer, "allowed", message("allowed").build()?).await?;
    producer.shutdown().await?;
    receive(right(), everything(), 1, nothing).await?;

    match start_producer(with_secret("wrong")).await {
        Ok(_) => Err("a wrong secret is let through".into()),
        Err(error) if refused(&*error) => {
            println!("refused forged");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The options of a client with the access key of the environment.
fn with_secret(secret: &str) -> ClientOption {
    let mut option = client();
    option.set_access_key(variable("ROCKETMQ_ACCESS_KEY"));
    option.set_secret_key(secret);
    option
}

/// Tells whether it was the server that said no.
fn refused(error: &(dyn Error + 'static)) -> bool {
    let kind = error.downcast_ref::<ClientError>().map(ClientError::kind);
    matches!(kind, Some(ErrorKind::Server))
}
