//! Proves what goes beyond one row: heap pressure, several indices, answers that say nothing, pace,
//! and what is quoted.

use super::*;

#[test]
fn heap_pressure_over_one_event_is_waited_out() {
    let limited = Retry(Sent::No, RetryCause::RateLimited);
    let item = failed(429, "circuit_breaking_exception", "");
    let outcome = judged_only(&answer(200, &bulk(&[&item])), 1);
    check("an item", &outcome.verdicts[0], &limited);
    let whole = r#"{"error":{"type":"circuit_breaking_exception"},"status":429}"#;
    let outcome = judged_only(&answer(429, whole), 1);
    check("a request", &outcome.verdicts[0], &limited);
}

#[test]
fn of_several_indices_only_the_one_that_is_spoken_of_is_held() {
    let held = |cause| Verdict::Hold {
        cause,
        detail: Arc::from(""),
        scope: Scope::Partition(TARGET.into()),
    };
    for (status, kind, reason, cause) in [
        (404, "index_not_found_exception", "", HoldCause::Index),
        (400, "index_closed_exception", "", HoldCause::Index),
        (403, "security_exception", "", HoldCause::Auth),
        (
            403,
            "cluster_block_exception",
            "FORBIDDEN/8/index write (api)",
            HoldCause::Index,
        ),
        (
            429,
            "cluster_block_exception",
            "TOO_MANY_REQUESTS/12/disk",
            HoldCause::Index,
        ),
        (
            403,
            "cluster_block_exception",
            "FORBIDDEN/4/index closed",
            HoldCause::Index,
        ),
    ] {
        let body = bulk(&[&failed(status, kind, reason)]);
        let mut verdict = judged(&answer(200, &body), 1).verdicts.remove(0);
        if let Verdict::Hold { detail, .. } = &mut verdict {
            *detail = Arc::from("");
        }
        assert_eq!(verdict, held(cause), "{kind} {reason}");
    }
    // What concerns the whole cluster, or no single index, holds none.
    let master = failed(
        503,
        "cluster_block_exception",
        "SERVICE_UNAVAILABLE/2/no master",
    );
    let outcome = judged(&answer(200, &bulk(&[&master])), 1);
    check(
        "master",
        &outcome.verdicts[0],
        &Retry(Sent::No, RetryCause::Blocked),
    );
    let missing = answer(404, r#"{"error":{"type":"index_not_found_exception"}}"#);
    check("one", &judged(&missing, 2).verdicts[0], &HoldIndex(TARGET));
    let partitions = vec![Some(Arc::from("a")), Some(Arc::from("b"))];
    let mixed = judge(&missing, &Posted { partitions });
    check("two", &mixed.verdicts[0], &Hold(HoldCause::Index));
}

#[test]
fn an_answer_that_does_not_speak_of_each_event_says_nothing_about_any() {
    let expected = Retry(Sent::Unknown, RetryCause::BadAnswer);
    let stored = r#"{"status":201}"#;
    for body in [
        String::new(),
        "OK".to_owned(),
        "{}".to_owned(),
        r#"{"took":1,"errors":false,"items":[]}"#.to_owned(),
        bulk(&[stored]),
        bulk(&[stored, stored, stored]),
        bulk(&[stored, stored]).replace("create", "index"),
        bulk(&[stored, r#"{"_index":"x"}"#]),
        bulk(&[stored, stored])[..40].to_owned(),
    ] {
        let outcome = judged(&answer(200, &body), 2);
        assert_eq!(outcome.verdicts.len(), 2);
        for verdict in &outcome.verdicts {
            check(&body, verdict, &expected);
        }
    }
    let mut cut = answer(200, &bulk(&[stored]));
    cut.cut = true;
    check("cut", &judged(&cut, 1).verdicts[0], &expected);
}

#[test]
fn items_are_read_even_where_errors_is_false() {
    let body = r#"{"errors":false,"items":[{"create":{"status":201,"failure_store":"used"}}]}"#;
    check(
        "diverted",
        &judged(&answer(200, body), 1).verdicts[0],
        &Diverted,
    );
}

#[test]
fn pressure_on_one_item_slows_the_destination() {
    let pressed = bulk(&[
        r#"{"status":201}"#,
        &failed(429, "circuit_breaking_exception", ""),
    ]);
    let outcome = judged(&answer(200, &pressed), 2);
    assert_eq!(outcome.pace, Pace::Slower { after: None });
    let calm = judged(&answer(200, &bulk(&[r#"{"status":201}"#])), 1);
    assert_eq!(calm.pace, Pace::Steady);
}

#[test]
fn a_reason_is_quoted_without_the_events_values() {
    let reason = "[1:53] failed to parse field [id] of type [long] in document with id 'a'. \
        Preview of field's value: 'secret-value'";
    let parsed = detail(&failed(400, "document_parsing_exception", reason));
    assert_eq!(
        parsed,
        "HTTP 400: document_parsing_exception: [1:53] failed to parse field [id] of type [long] \
         in document with id 'a'."
    );
    let immense = "one immense term in field=\"m\", all of which were skipped. The prefix of the \
        first immense term is: '[115, 101]'";
    let immense = detail(&failed(400, "illegal_argument_exception", immense));
    assert!(immense.ends_with("skipped."), "{immense}");
    let long = detail(&failed(400, "x_exception", &"y".repeat(5_000)));
    assert!(long.len() < 600);
}
