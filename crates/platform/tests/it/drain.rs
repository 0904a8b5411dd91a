//! A server that is told to stop.

use std::time::Duration;

use futures::StreamExt as _;
use platform::transport::Transport;
use testkit::eventually;
use tokio::time::timeout;
use tonic::Code;

use crate::tiny::{self, ask, context};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn finishes_calls_under_way_and_accepts_no_more() {
    let (server, gate) = tiny::server();
    let served = tiny::serve(&server).await;
    let mut client = tiny::client(&served.transport);
    client.check(context().request(ask("ok"))).await.unwrap();

    let mut waiting = client.clone();
    let under_way = waiting.check(context().request(ask("wait")));
    let script = async {
        gate.arrival().await;
        served.shutdown.cancel();
        eventually("not serving", SOON, async || !server.health().is_serving()).await;
        gate.let_through(1);
    };
    let (answer, ()) = tokio::join!(under_way, script);
    answer.expect("what was under way is finished");
    timeout(SOON, served.running).await.expect("then the server ends").unwrap().unwrap();
    let refused = client.check(context().request(ask("ok"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
}

#[tokio::test]
async fn ends_streams_so_that_they_do_not_hold_it_up() {
    let (server, _gate) = tiny::server();
    let served = tiny::serve(&server).await;
    let in_process = Transport::in_process("tiny", &server);
    let mut streams = Vec::new();
    for transport in [&served.transport, &in_process] {
        let mut stream =
            tiny::client(transport).watch(context().request(ask("stream"))).await.unwrap().into_inner();
        assert_eq!(stream.next().await.unwrap().unwrap().status, 1);
        streams.push(stream);
    }
    served.shutdown.cancel();
    for mut stream in streams {
        let ended = timeout(SOON, stream.next()).await.unwrap().unwrap().unwrap_err();
        assert_eq!((ended.code(), ended.message()), (Code::Unavailable, "the server is stopping"));
    }
    timeout(SOON, served.running).await.expect("the server ends").unwrap().unwrap();
}
