//! Something fetched that ends, kept while it is good: a token, the keys of a machine.
//!
//! Knows neither what it is nor how it is fetched. One fetches while the others wait, and those
//! that waited share what came of it, also a failure: a server that is slow to say no is not asked
//! by each of them in turn.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::sink::client::Fault;

/// Taken off the end, so that what is shown does not end on its way.
const MARGIN: Duration = Duration::from_secs(60);
/// Bounds of how long something is kept, whatever its issuer says: the lower one keeps one that
/// ends at once from being fetched for each request.
const KEPT_MIN: Duration = Duration::from_secs(5);
const KEPT_MAX: Duration = Duration::from_secs(24 * 3600);

/// The present one, and whose turn it is to fetch the next.
pub(super) struct Kept<T> {
    present: ArcSwapOption<Fetched<T>>,
    /// Locked by whoever fetches; holds how the last fetch failed.
    turn: Mutex<Option<Fault>>,
    /// Fetches that have ended.
    fetches: AtomicU64,
}

/// One that was fetched.
pub(super) struct Fetched<T> {
    pub(super) value: T,
    /// Tells it from the one before and after it.
    pub(super) number: u64,
    until: Instant,
}

impl<T> Kept<T> {
    pub(super) fn new() -> Self {
        Self {
            present: ArcSwapOption::empty(),
            turn: Mutex::new(None),
            fetches: AtomicU64::new(0),
        }
    }

    /// The present one; if there is none, or it ends, the one that `fetch` gets, together with the
    /// time for which it is good from now on.
    pub(super) async fn get(
        &self,
        fetch: impl Future<Output = Result<(T, Duration), Fault>>,
    ) -> Result<Arc<Fetched<T>>, Fault> {
        if let Some(fetched) = self.good() {
            return Ok(fetched);
        }
        let before = self.fetches.load(Ordering::Acquire);
        let mut failed = self.turn.lock().await;
        let number = self.fetches.load(Ordering::Acquire);
        if number != before {
            // Another one fetched while this one waited.
            if let Some(fault) = failed.as_ref() {
                return Err(fault.clone());
            }
            if let Some(fetched) = self.good() {
                return Ok(fetched);
            }
        }
        let result = fetch.await;
        self.fetches.store(number + 1, Ordering::Release);
        match result {
            Ok((value, life)) => {
                let fetched = Arc::new(Fetched {
                    value,
                    number,
                    until: Instant::now() + keep_for(life),
                });
                self.present.store(Some(Arc::clone(&fetched)));
                *failed = None;
                Ok(fetched)
            }
            Err(fault) => {
                *failed = Some(fault.clone());
                Err(fault)
            }
        }
    }

    /// Keeps the one of this number no longer. A newer one stays.
    pub(super) fn forget(&self, number: u64) {
        let present = self.present.load();
        if present.as_ref().is_some_and(|one| one.number == number) {
            self.present.compare_and_swap(&*present, None);
        }
    }

    /// Keeps none.
    pub(super) fn clear(&self) {
        self.present.store(None);
    }

    fn good(&self) -> Option<Arc<Fetched<T>>> {
        let present = self.present.load_full();
        present.filter(|one| Instant::now() < one.until)
    }
}

/// How long to keep what is good for `life`: a short life loses half of itself as margin.
fn keep_for(life: Duration) -> Duration {
    let margin = MARGIN.min(life / 2);
    (life - margin).clamp(KEPT_MIN, KEPT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::RetryCause;

    const HOUR: Duration = Duration::from_secs(3600);

    fn fault() -> Fault {
        Fault::no_token(RetryCause::Timeout, None, "too slow".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn one_is_kept_until_a_minute_before_its_end() {
        let kept = Kept::new();
        let get = |value| kept.get(async move { Ok((value, HOUR)) });
        assert_eq!(get("first").await.unwrap().value, "first");
        tokio::time::advance(HOUR - Duration::from_secs(61)).await;
        assert_eq!(get("second").await.unwrap().value, "first");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(get("third").await.unwrap().value, "third");
    }

    #[test]
    fn no_life_is_too_short_or_too_long() {
        let seconds = Duration::from_secs;
        for (life, kept) in [(0, 5), (1, 5), (20, 10), (120, 60), (3600, 3540)] {
            assert_eq!(keep_for(seconds(life)), seconds(kept), "{life}");
        }
        assert_eq!(keep_for(Duration::MAX), KEPT_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_wait_share_one_fetch_and_its_failure() {
        let kept = Kept::new();
        let fetches = AtomicU64::new(0);
        let fetch = |result: Result<&'static str, Fault>| {
            let fetches = &fetches;
            kept.get(async move {
                fetches.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(30)).await;
                Ok((result?, HOUR))
            })
        };
        let (one, two, three) = tokio::join!(
            fetch(Err(fault())),
            fetch(Ok("not asked")),
            fetch(Ok("not asked"))
        );
        assert_eq!(fetches.load(Ordering::Relaxed), 1);
        for result in [one, two, three] {
            assert_eq!(result.err(), Some(fault()));
        }
        let (one, two) = tokio::join!(fetch(Ok("token")), fetch(Ok("not asked")));
        assert_eq!(fetches.load(Ordering::Relaxed), 2);
        assert_eq!((one.unwrap().value, two.unwrap().value), ("token", "token"));
    }

    #[tokio::test]
    async fn a_refused_one_goes_and_its_successor_stays() {
        let kept = Kept::new();
        let get = |value| kept.get(async move { Ok((value, HOUR)) });
        let first = get("first").await.unwrap();
        kept.forget(first.number);
        let second = get("second").await.unwrap();
        assert_eq!(second.value, "second");
        // Another request that showed the first one is refused as well.
        kept.forget(first.number);
        assert_eq!(get("third").await.unwrap().value, "second");
        kept.clear();
        assert_eq!(get("fourth").await.unwrap().value, "fourth");
    }
}
