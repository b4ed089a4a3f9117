//! Acknowledgement over real sockets: only what the indexer said is confirmed, and every way in
//! which it can forget, repeat itself or fall silent loses nothing.

use std::time::Duration;

use siem_relay::settings::Acknowledgement;
use siem_relay::sink::splunk::Splunk;
use siem_relay::sink::{Sink, Ticket, Verdict};

use crate::fake_hec::{FakeHec, Indexing, Turn};
use crate::fake_http::Reply;
use crate::hec::{sink_with, words};
use crate::setup::*;

/// A HEC that acknowledges, a sink, and its token's file.
async fn acknowledging() -> (FakeHec, Splunk, Token) {
    let (hec, token) = (FakeHec::start().await, Token::new());
    hec.token(TOKEN);
    hec.acknowledge(true);
    let sink = sink_with(&hec.url(), &token, |settings| {
        settings.endpoints[0].request_timeout = Duration::from_millis(300);
    });
    (hec, sink, token)
}

/// Sends the event number `n`, which becomes pending.
async fn send(sink: &Splunk, n: u8) -> Ticket {
    let outcome = sink.send(&[event(n, r#"{"a":1}"#)]).await;
    match &outcome.verdicts[0] {
        Verdict::Pending { ticket } => ticket.clone(),
        other => panic!("not pending: {other:?}"),
    }
}

#[tokio::test]
async fn only_what_is_indexed_is_confirmed_and_only_once_asked_for() {
    let (hec, sink, _token) = acknowledging().await;
    let first = send(&sink, 1).await;
    hec.indexing(Indexing::Waiting);
    let second = send(&sink, 2).await;
    assert_eq!((first.id, second.id), (0, 1));
    assert_eq!(first.channel, second.channel);
    let tickets = [first.clone(), second.clone()];
    let said = sink.confirm(&tickets).await;
    assert_eq!((said.confirmed, said.lost), (vec![first.clone()], vec![]));
    let question = hec.server.received().pop().unwrap();
    assert_eq!(question.text(), r#"{"acks":[0,1]}"#);
    let path = format!("/services/collector/ack?channel={}", first.channel);
    assert_eq!((&*question.method, &*question.path), ("POST", &*path));
    assert_eq!(
        question.header("x-splunk-request-channel"),
        Some(&*first.channel)
    );
    assert_eq!(
        question.header("authorization"),
        Some(&*format!("Splunk {TOKEN}"))
    );
    hec.index_waiting();
    let said = sink.confirm(std::slice::from_ref(&second)).await;
    assert_eq!((said.confirmed, said.lost), (vec![second.clone()], vec![]));
    // It is said once: asked again, nobody knows.
    assert_eq!(sink.confirm(&[first, second]).await, Default::default());
}

#[tokio::test]
async fn an_answer_that_is_none_leaves_every_ticket_open() {
    let (hec, sink, _token) = acknowledging().await;
    let ticket = send(&sink, 1).await;
    let acks = r#"{"acks":{"0":true}}"#;
    for reply in [
        Reply::Stall,
        Reply::Reset { status: 200 },
        Reply::CloseWithoutAnswer,
        Reply::Drip {
            status: 200,
            body: acks.into(),
        },
        Reply::status(200, "<html>Sign in</html>"),
        Reply::status(200, r#"{"acks":{"1":true}}"#),
        Reply::status(200, r#"{"acks":{"0":"true"}}"#),
        Reply::status(200, format!("{acks}{}", " ".repeat(70_000))),
        Reply::status(302, acks).header("location", "/services/collector/ack"),
        Reply::status(403, r#"{"text":"Invalid token","code":4}"#),
        Reply::status(404, acks),
        Reply::status(429, r#"{"text":"at capacity","code":27}"#),
        Reply::status(500, acks),
        Reply::status(503, r#"{"text":"Server is busy","code":9}"#),
    ] {
        hec.next_questions([Turn::Refuse(reply.clone())]);
        let said = sink.confirm(std::slice::from_ref(&ticket)).await;
        assert_eq!(said, Default::default(), "{reply:?}");
    }
    let said = sink.confirm(std::slice::from_ref(&ticket)).await;
    assert_eq!(said.confirmed, [ticket]);
}

#[tokio::test]
async fn a_confirmation_that_is_lost_on_its_way_is_no_confirmation() {
    let (hec, sink, _token) = acknowledging().await;
    let ticket = send(&sink, 1).await;
    hec.next_questions([Turn::ServeThen(Reply::Reset { status: 200 })]);
    for _ in 0..2 {
        // The second time the indexer has forgotten: only time can settle the ticket.
        let said = sink.confirm(std::slice::from_ref(&ticket)).await;
        assert_eq!(said, Default::default());
    }
}

#[tokio::test]
async fn a_refused_channel_and_a_token_without_acknowledgement_lose_what_is_open() {
    for code in [10, 11, 14, 28] {
        let (hec, sink, _token) = acknowledging().await;
        let ticket = send(&sink, 1).await;
        let refusal = Reply::status(400, format!(r#"{{"text":"no","code":{code}}}"#));
        hec.next_questions([Turn::Refuse(refusal)]);
        let said = sink.confirm(std::slice::from_ref(&ticket)).await;
        assert_eq!((said.confirmed, said.lost), (vec![], vec![ticket.clone()]));
        // The channel is not known any more, and nobody is asked about it.
        let said = sink.confirm(std::slice::from_ref(&ticket)).await;
        assert_eq!(said.lost, std::slice::from_ref(&ticket));
        assert_eq!(hec.questions_asked(), 1);
        assert_ne!(send(&sink, 2).await.channel, ticket.channel);
        hec.acknowledge(false);
        assert!(
            is_delivered(&sink.send(&batch()).await),
            "a 200 is final again"
        );
    }
}

#[tokio::test]
async fn an_indexer_that_restarts_confirms_no_event_that_it_lost() {
    let (hec, sink, _token) = acknowledging().await;
    hec.indexing(Indexing::Waiting);
    let lost = send(&sink, 1).await;
    hec.restart();
    hec.indexing(Indexing::AtOnce);
    // It counts from 0 again: the same id on the same channel, for another event.
    let outcome = sink.send(&[event(2, "{}")]).await;
    assert_eq!(words(&outcome.verdicts), ["retry bad_answer Unknown"]);
    let said = sink.confirm(std::slice::from_ref(&lost)).await;
    assert_eq!((said.confirmed, said.lost), (vec![], vec![lost.clone()]));
    let again = send(&sink, 1).await;
    assert_ne!(again.channel, lost.channel);
    assert_eq!(
        sink.confirm(std::slice::from_ref(&again)).await.confirmed,
        [again]
    );
    assert_eq!(hec.indexed().len(), 2);
}

#[tokio::test]
async fn an_answer_that_never_came_leaves_no_id_to_be_mistaken() {
    let (hec, sink, _token) = acknowledging().await;
    hec.indexing(Indexing::Waiting);
    // Id 0 is given and not seen; the one that is seen must not be taken for it after a restart.
    hec.next_posts([Turn::ServeThen(Reply::Reset { status: 200 })]);
    let outcome = sink.send(&batch()).await;
    assert_eq!(words(&outcome.verdicts), ["retry connect Unknown"; 2]);
    let open = send(&sink, 3).await;
    assert_eq!(
        open.id, 0,
        "a new channel begins after an answer that never came"
    );
    hec.index_waiting();
    assert_eq!(
        sink.confirm(std::slice::from_ref(&open)).await.confirmed,
        [open]
    );
}

#[tokio::test]
async fn a_refusal_without_the_id_that_is_given_otherwise_does_not_deliver_the_prefix() {
    let (hec, sink, _token) = acknowledging().await;
    let refusal = r#"{"text":"Invalid data format","code":6,"invalid-event-number":1}"#;
    let refuse = || [Turn::Refuse(Reply::status(400, refusal))];
    // Before any id was seen the token may well not use acknowledgement.
    hec.next_posts(refuse());
    let outcome = sink.send(&batch()).await;
    assert_eq!(words(&outcome.verdicts), ["delivered", "reject"]);
    send(&sink, 3).await;
    hec.next_posts(refuse());
    let outcome = sink.send(&batch()).await;
    let expected = ["retry bad_answer Unknown", "reject"];
    assert_eq!(words(&outcome.verdicts), expected);
}

#[tokio::test]
async fn tickets_of_a_channel_that_takes_no_more_requests_are_still_asked_about() {
    let (hec, sink, _token) = acknowledging().await;
    let before = send(&sink, 1).await;
    hec.next_posts([Turn::Refuse(Reply::CloseWithoutAnswer)]);
    sink.send(&batch()).await;
    let after = send(&sink, 2).await;
    assert_ne!(before.channel, after.channel);
    let mut said = sink.confirm(&[before.clone(), after.clone()]).await;
    said.confirmed.sort_by_key(|ticket| *ticket == after);
    assert_eq!(said.confirmed, [before, after]);
}

#[tokio::test]
async fn indexers_behind_one_address_that_mixes_them_lose_nothing_and_come_to_an_end() {
    let (hec, sink, _token) = acknowledging().await;
    let mut repeats = 0;
    for n in 1..=12 {
        // Each request meets an indexer that does not know the channel.
        hec.restart();
        let outcome = sink.send(&[event(n, "{}")]).await;
        repeats += usize::from(words(&outcome.verdicts) != ["pending 0"]);
    }
    // Then each request has a channel of its own, on which 0 is no repeat.
    assert_eq!(repeats, 3);
}

#[tokio::test]
async fn cookies_of_a_load_balancer_go_with_events_and_questions() {
    let (hec, sink, _token) = acknowledging().await;
    hec.cookie("AWSELB=node-1-of-many; Path=/; HttpOnly");
    let first = send(&sink, 1).await;
    hec.cookie("AWSELB=node-2-of-many; Path=/");
    let second = send(&sink, 2).await;
    assert_eq!(
        first.channel, second.channel,
        "the ids go on, so the indexer is the same"
    );
    sink.confirm(&[first, second]).await;
    let cookies: Vec<_> = hec
        .server
        .received()
        .iter()
        .map(|request| request.header("cookie").map(str::to_owned))
        .collect();
    let expected = [
        None,
        Some("AWSELB=node-1-of-many"),
        Some("AWSELB=node-2-of-many"),
    ];
    assert_eq!(cookies, expected.map(|cookie| cookie.map(str::to_owned)));
    // What repeats it in an answer is quoted without it.
    hec.next_posts([Turn::Refuse(Reply::status(418, "no node-2-of-many"))]);
    let outcome = sink.send(&batch()).await;
    assert!(
        detail(&outcome.verdicts[0]).contains("no ***"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn many_tickets_are_asked_about_in_bounded_questions() {
    let (hec, sink, _token) = acknowledging().await;
    let one = send(&sink, 1).await;
    let ticket = |id| Ticket {
        channel: one.channel.clone(),
        id,
    };
    let tickets: Vec<_> = (0..2500).map(ticket).collect();
    assert_eq!(sink.confirm(&tickets).await.confirmed, [one]);
    assert_eq!(hec.questions_asked(), 3);
}

#[tokio::test]
async fn when_to_ask_is_as_configured() {
    let token = Token::new();
    let seconds = Duration::from_secs;
    let sink = sink_with("http://127.0.0.1:1", &token, |settings| {
        settings.acknowledgement = Acknowledgement {
            interval: seconds(1),
            timeout: seconds(2),
            max_batches: 3,
        };
    });
    let asked = sink.confirming().unwrap();
    let asked = (asked.interval, asked.timeout, asked.max_batches);
    assert_eq!(asked, (seconds(1), seconds(2), 3));
}
