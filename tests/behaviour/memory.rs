//! Proves that an idle relay is small. `tests/run` names the release build; without it the test
//! looks at the build at hand.

use crate::relay::{Setup, release_binary};
use crate::siem::{four, with_secrets};

const RESIDENT_BYTES_MAX: u64 = 32 * 1024 * 1024;

#[tokio::test]
async fn an_idle_relay_stays_under_32_mebibytes() {
    let (binary, build) = release_binary();
    let nowhere = "http://127.0.0.1:9";
    let setup = with_secrets(Setup::new("", &four(nowhere, nowhere, nowhere)));
    let relay = setup.start_binary(&binary);
    relay.status().await;
    let resident = relay.resident_bytes();
    println!(
        "resident memory of the idle {build} build: {} KiB",
        resident / 1024
    );
    assert!(resident < RESIDENT_BYTES_MAX, "{resident} bytes");
}
