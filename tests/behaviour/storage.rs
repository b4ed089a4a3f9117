//! Proves what a full journal does: 503 with `Retry-After`, not ready, nothing lost, and it
//! resumes by itself.

use crate::fake_http::{Received, Reply};
use crate::relay::{Setup, TOKEN, answer, eventually};
use crate::siem::Siem;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test]
async fn a_full_journal_answers_503_and_resumes_when_the_destination_does() {
    let down = Arc::new(AtomicBool::new(true));
    let refusing = Arc::clone(&down);
    let http = Siem::http(move |_: &Received| {
        refusing
            .load(Ordering::SeqCst)
            .then(|| Reply::status(503, ""))
    })
    .await;
    let destination = format!(
        "[destinations.soar]\nkind = \"http\"\nurl = \"{}\"\nenvelope = true\n\
         retry_initial = \"50ms\"\nretry_max = \"200ms\"",
        http.url()
    );
    let setup = Setup::new("", &destination);
    setup.edit("max_size = \"64MiB\"", "max_size = \"4MiB\"");
    let relay = setup.start();
    let mut answered = Vec::new();
    let refused = loop {
        let body = format!("{{\"pad\":\"{}\"}}", "x".repeat(200_000));
        let url = format!("http://{}/hooks/datatheorem", relay.address);
        let request = relay.client.post(url).bearer_auth(TOKEN).body(body);
        let response = request.send().await.unwrap();
        if response.status() != 200 {
            break response;
        }
        let (_, answer) = answer(response).await;
        answered.push(answer["id"].as_str().unwrap().to_owned());
    };
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert!((5..21).contains(&answered.len()), "{}", answered.len());
    let (ready, reason) = relay.admin_get("/readyz").await;
    assert_eq!(ready, 503);
    assert!(
        reason.contains("max_size") && reason.contains("soar"),
        "{reason}"
    );
    assert_eq!(
        relay
            .metric("siem_relay_storage_state{state=\"full\"}")
            .await,
        1.0
    );
    assert_eq!(relay.status().await["journal"]["state"], "full");

    down.store(false, Ordering::SeqCst);
    let status = relay.drained("soar").await;
    assert_eq!(status["delivered"], answered.len());
    let taken = http.taken();
    assert!(answered.iter().all(|id| taken.contains_key(id)));
    let resumed = || relay.log_text().contains("journal accepts events again");
    eventually("accepting again", resumed).await;
    assert_eq!(relay.admin_get("/readyz").await.0, 200);
    relay.accepted("{}").await;
}
