//! Health and reflection.

use futures::StreamExt as _;
use platform::transport::Transport;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus::{self, NotServing, ServiceUnknown, Serving};
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::tiny::{self, ask, context};

async fn status(client: &mut HealthClient<Transport>, service: &str) -> Result<ServingStatus, Code> {
    let asked = HealthCheckRequest { service: service.to_owned() };
    client.check(asked).await.map(|answer| answer.into_inner().status()).map_err(|status| status.code())
}

#[tokio::test]
async fn health_is_told_by_service_name_and_followed_by_streams() {
    let (server, _gate) = tiny::server();
    let mut client = HealthClient::new(Transport::in_process("tiny", &server));
    let mut watched = client.watch(ask("test.Tiny")).await.unwrap().into_inner();
    let mut unknown = client.watch(ask("test.Other")).await.unwrap().into_inner();
    assert_eq!(unknown.next().await.unwrap().unwrap().status(), ServiceUnknown);
    for (serving, expected) in [(true, Serving), (false, NotServing), (true, Serving)] {
        server.health().set(serving);
        for service in ["", "test.Tiny"] {
            assert_eq!(status(&mut client, service).await, Ok(expected), "{service:?}");
        }
        assert_eq!(watched.next().await.unwrap().unwrap().status(), expected);
    }
    assert_eq!(status(&mut client, "test.Other").await, Err(Code::NotFound));
}

#[tokio::test]
async fn health_answers_when_nothing_else_may() {
    let (server, _gate) = tiny::with_places(0);
    let transport = Transport::in_process("tiny", &server);
    let shed = tiny::client(&transport).check(context().request(ask("ok"))).await.unwrap_err();
    assert_eq!(shed.code(), Code::ResourceExhausted);
    assert_eq!(status(&mut HealthClient::new(transport), "").await, Ok(Serving));
}

/// What reflection answers.
async fn reflected(asked: MessageRequest) -> MessageResponse {
    let (server, _gate) = tiny::server();
    let served = tiny::serve(&server).await;
    let asked = ServerReflectionRequest { host: String::new(), message_request: Some(asked) };
    let mut answers = ServerReflectionClient::new(served.transport.clone())
        .server_reflection_info(tokio_stream::iter([asked]))
        .await
        .unwrap()
        .into_inner();
    answers.next().await.unwrap().unwrap().message_response.unwrap()
}

#[tokio::test]
async fn reflection_lists_what_is_served_here() {
    let MessageResponse::ListServicesResponse(list) =
        reflected(MessageRequest::ListServices(String::new())).await
    else {
        panic!("no list")
    };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            "test.Tiny"
        ]
    );
}

#[tokio::test]
async fn reflection_explains_all_that_it_lists_and_the_details_of_a_refusal() {
    for symbol in [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
        "google.rpc.RetryInfo",
    ] {
        let answer = reflected(MessageRequest::FileContainingSymbol(symbol.to_owned())).await;
        assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{symbol}: {answer:?}");
    }
}
