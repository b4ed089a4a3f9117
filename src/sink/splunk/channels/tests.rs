//! Proves that an id stands for one batch, and that no channel is lost or kept without need.

use super::*;

const KEEP: Duration = Duration::from_secs(300);

fn channels() -> Channels {
    Channels::new(KEEP)
}

/// Takes a channel, is given an id on it, and says which channel it was.
fn given(channels: &Channels, id: u64) -> Arc<str> {
    let lease = channels.take();
    lease.give(id).unwrap();
    Arc::clone(lease.name())
}

#[test]
fn requests_share_a_channel_until_it_is_used_up_and_the_old_one_is_still_known() {
    let channels = channels();
    let first = given(&channels, 0);
    for id in 1..1000 {
        assert_eq!(given(&channels, id), first);
    }
    assert_ne!(given(&channels, 0), first);
    assert!(channels.headers(&first).is_some());
}

#[test]
fn a_repeated_id_gives_the_channel_up() {
    let channels = channels();
    let first = given(&channels, 0);
    given(&channels, 1);
    let lease = channels.take();
    assert_eq!(lease.give(0), Err(Repeated { divided: false }));
    assert!(channels.headers(&first).is_none());
    // What was under way on it cannot be told apart either.
    assert!(lease.give(7).is_err());
    assert_ne!(given(&channels, 0), first);
}

#[test]
fn after_three_repeats_each_request_has_a_channel_of_its_own() {
    let channels = channels();
    for repeat in 1..=3 {
        given(&channels, 0);
        let divided = channels.take().give(0).unwrap_err().divided;
        assert_eq!(divided, repeat == 3);
    }
    let names: HashSet<_> = (0..5).map(|_| given(&channels, 0)).collect();
    assert_eq!(names.len(), 5);
    for name in &names {
        assert!(channels.headers(name).is_some());
    }
}

#[tokio::test]
async fn a_retired_channel_is_known_until_its_tickets_are_settled() {
    let channels = channels();
    let (first, lease) = (given(&channels, 0), channels.take());
    lease.retire();
    drop(lease);
    let second = given(&channels, 0);
    assert_ne!(first, second);
    assert!(channels.headers(&first).is_some());
    channels.note(&first, &[0]);
    assert_eq!(channels.indexed(&first).await, Some(vec![0]));
    channels.take().retire();
    assert!(channels.headers(&first).is_none());
    assert!(channels.headers(&second).is_some());
}

#[test]
fn an_answer_on_a_channel_that_was_retired_meanwhile_still_counts() {
    let channels = channels();
    let (slow, broken) = (channels.take(), channels.take());
    broken.retire();
    channels.take().retire();
    assert_eq!(slow.give(5), Ok(()));
    assert!(channels.headers(slow.name()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_retired_channel_is_given_up_when_its_tickets_are_too_old() {
    let channels = channels();
    let first = given(&channels, 0);
    channels.take().retire();
    tokio::time::advance(KEEP).await;
    channels.take().retire();
    assert!(channels.headers(&first).is_some());
    tokio::time::advance(Duration::from_millis(1)).await;
    channels.take().retire();
    assert!(channels.headers(&first).is_none());
}

#[test]
fn former_channels_are_bounded() {
    let channels = channels();
    let first = given(&channels, 0);
    for _ in 0..=FORMER_MAX {
        channels.take().retire();
        given(&channels, 0);
    }
    assert!(channels.headers(&first).is_none());
    assert_eq!(channels.lock().former.len(), FORMER_MAX);
}

#[test]
fn cookies_go_with_the_channel_and_on_to_the_next_one() {
    let channels = channels();
    let lease = channels.take();
    assert!(lease.headers.get(COOKIE).is_none());
    lease.update(&[HeaderValue::from_static("lb=a; Path=/")]);
    lease.retire();
    assert_eq!(channels.take().headers.get(COOKIE).unwrap(), "lb=a");
}

#[tokio::test(start_paused = true)]
async fn what_is_said_while_a_request_is_in_flight_counts_when_it_has_ended() {
    let channels = channels();
    let name = given(&channels, 0);
    let slow = channels.take();
    channels.note(&name, &[0]);
    assert_eq!(channels.indexed(&name).await, Some(vec![]));
    // One that began later cannot have been meant.
    let later = channels.take();
    assert_eq!(slow.give(1), Ok(()));
    drop(slow);
    assert_eq!(channels.indexed(&name).await, Some(vec![0]));
    assert_eq!(channels.indexed(&name).await, Some(vec![]));
    drop(later);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_and_then_repeated_confirms_nothing() {
    let channels = channels();
    let name = given(&channels, 0);
    // The indexer has restarted, gives 0 to the request in flight, and says that 0 is indexed.
    let slow = channels.take();
    channels.note(&name, &[0]);
    let repeat = async {
        tokio::task::yield_now().await;
        assert!(slow.give(0).is_err());
        drop(slow);
    };
    let (indexed, ()) = tokio::join!(channels.indexed(&name), repeat);
    assert_eq!(indexed, None);
}
