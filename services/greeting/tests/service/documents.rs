//! The greetings that a service stores.

use octet_proto::greeting::v3::{Greeting, GreetingRequest, greeting_service_client::GreetingServiceClient};
use tonic::Code;

use crate::service::Service;

const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

fn request(id: &str, message: &str) -> GreetingRequest {
    let (id, message) = (id.to_owned(), message.to_owned());
    GreetingRequest {
        greeting: Some(Greeting { id, message, service: "test".to_owned(), ..Greeting::default() }),
    }
}

#[tokio::test]
async fn an_id_in_upper_case_names_the_same_document() {
    let service = Service::start("service-c").await;
    let mut client = GreetingServiceClient::new(service.channel().await);
    let mut codes = Vec::new();
    for id in [&ID.to_uppercase(), ID, "not a UUID"] {
        let greeted = client.greeting(request(id, "")).await;
        codes.push(greeted.map_or_else(|status| status.code(), |_| Code::Ok));
    }
    assert_eq!(codes, [Code::Ok, Code::Ok, Code::InvalidArgument]);
    service.stop().await;
}

#[tokio::test]
async fn a_known_id_with_other_content_already_exists() {
    let service = Service::start("service-c").await;
    let mut client = GreetingServiceClient::new(service.channel().await);
    for _ in 0..2 {
        client.greeting(request(ID, "first")).await.expect("the same content is a retry");
    }
    let refused = client.greeting(request(ID, "second")).await.expect_err("other content");
    let expected = (Code::AlreadyExists, "a greeting with this id and other content is already stored");
    assert_eq!((refused.code(), refused.message()), expected);
    service.stop().await;
}
