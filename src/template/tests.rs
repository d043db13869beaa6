//! What templates are accepted, and in which words the others are refused.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// The runbook's own values, as its checklist shows them.
fn value(key: &str) -> &'static str {
    match key {
        "CUTOVER_ENV_NAME" | "ROLLBACK_ENV_NAME" => "single-host-ubuntu",
        "CUTOVER_WINDOW_LOCAL" => "2026-02-13T09:00:00+08:00",
        "CTP_CONFIG_PATH" => "configs/prod/ctp.yaml",
        "POST_SWITCH_MONITOR_MINUTES" => "30",
        "MONITOR_KEYS" => {
            "order_latency_p99_ms,breaker_state,query_rate_violation,reconnect_p99_s,kafka_lag_ms,clickhouse_ingest_delay_ms"
        }
        "ROLLBACK_TRIGGER_CONDITION" => "order_latency_p99_ms_gt_5ms_or_reconnect_p99_s_gt_10s",
        "MAX_ROLLBACK_SECONDS" => "180",
        _ => "systemctl stop a --flag=b # not a comment",
    }
}

/// A good template, with one value replaced.
fn text(kind: Kind, key: &str, replaced: &str) -> String {
    let line = |k: &&str| format!("{k}={}\n", if *k == key { replaced } else { value(k) });
    kind.keys().iter().map(line).collect()
}

fn path() -> &'static Path {
    Path::new("ops/t.env")
}

fn refusal(kind: Kind, key: &str, replaced: &str) -> String {
    let text = text(kind, key, replaced);
    match kind {
        Kind::Cutover => Cutover::parse(path(), &text).map(|_| ()),
        Kind::Rollback => Rollback::parse(path(), &text).map(|_| ()),
    }
    .expect_err(replaced)
    .to_string()
}

#[test]
fn the_runbooks_own_values_are_accepted() {
    let cutover = Cutover::parse(path(), &text(Kind::Cutover, "", "")).unwrap();
    assert_eq!(cutover.monitor.duration, Duration::from_secs(1800));
    assert_eq!(cutover.monitor_keys.len(), 6);
    assert_eq!(cutover.monitor_keys[5], "clickhouse_ingest_delay_ms");
    assert_eq!(cutover.window.start.to_string(), "2026-02-13T01:00:00Z");
    assert_eq!(cutover.window.end, None);
    assert_eq!(cutover.window.text, "2026-02-13T09:00:00+08:00");
    assert_eq!(cutover.warmup_query.text, "systemctl stop a --flag=b # not a comment");
    assert_eq!(cutover.warmup_query.line, 13);
    assert_eq!(cutover.template.warnings(), [""; 0]);
    let rollback = Rollback::parse(path(), &text(Kind::Rollback, "", "")).unwrap();
    assert_eq!(rollback.limit.duration, Duration::from_secs(180));
    assert_eq!(rollback.limit.text, "180");
    assert!(crate::condition::Condition::parse(&rollback.trigger_condition.text).is_ok());
}

#[test]
fn every_field_holds_the_value_of_its_own_key() {
    let numbered = |kind: Kind| -> String {
        let own = |key: &str| {
            ["WINDOW", "MINUTES", "SECONDS", "MONITOR_KEYS"].iter().any(|part| key.contains(part))
        };
        kind.keys().iter().map(|key| format!("{key}={}\n", if own(key) { value(key) } else { key })).collect()
    };
    let c = Cutover::parse(path(), &numbered(Kind::Cutover)).unwrap();
    let fields = [
        &c.env_name,
        &c.ctp_config_path,
        &c.old_core_engine_stop,
        &c.old_strategy_runner_stop,
        &c.bootstrap_infra,
        &c.init_kafka_topic,
        &c.init_clickhouse_schema,
        &c.init_debezium_connector,
        &c.new_core_engine_start,
        &c.new_strategy_runner_start,
        &c.precheck,
        &c.warmup_query,
        &c.evidence_output,
    ];
    let read: Vec<&str> = fields.iter().map(|setting| setting.text.as_str()).collect();
    let keys = Cutover::KEYS;
    assert_eq!(read, [&[keys[0]], &keys[2..13], &[keys[15]]].concat());
    let r = Rollback::parse(path(), &numbered(Kind::Rollback)).unwrap();
    let fields = [
        &r.env_name,
        &r.trigger_condition,
        &r.new_core_engine_stop,
        &r.new_strategy_runner_stop,
        &r.restore_previous_binaries,
        &r.restore_redis_bridge_compat,
        &r.previous_core_engine_start,
        &r.previous_strategy_runner_start,
        &r.post_rollback_validate,
        &r.evidence_output,
    ];
    let read: Vec<&str> = fields.iter().map(|setting| setting.text.as_str()).collect();
    assert_eq!(read, [&Rollback::KEYS[..9], &[Rollback::KEYS[10]]].concat());
}

#[test]
fn missing_and_empty_keys_are_named_in_the_contracts_words_and_order() {
    let all = text(Kind::Cutover, "MONITOR_KEYS", "");
    let one_gone = all.replace("PRECHECK_CMD=", "# PRECHECK_CMD=");
    let told = Cutover::parse(path(), &one_gone).unwrap_err().to_string();
    assert_eq!(told, "cutover template missing required keys: PRECHECK_CMD,MONITOR_KEYS");
    let told = Rollback::parse(path(), "").unwrap_err().to_string();
    assert_eq!(told, format!("rollback template missing required keys: {}", Rollback::KEYS.join(",")));
}

#[test]
fn a_file_that_is_not_there_is_named_in_the_contracts_words() {
    let told = Cutover::read(Path::new("no/such/t.env")).unwrap_err().to_string();
    assert_eq!(told, "cutover template not found: no/such/t.env");
    let told = Rollback::read(Path::new("/dev/null/t.env")).unwrap_err().to_string();
    assert_eq!(told, "rollback template not found: /dev/null/t.env");
}

#[test]
fn a_byte_order_mark_crlf_comments_and_spaces_are_accepted() {
    let text = "\u{feff}# first\r\n\r\n  A = b = c \r\n\t#B=1\r\nC=\r\n";
    let read: Vec<Entry<'_>> = entries(text).map(Result::unwrap).collect();
    assert_eq!(read, [Entry { key: "A", value: "b = c", line: 3 }, Entry { key: "C", value: "", line: 5 }]);
}

#[test]
fn a_line_that_is_no_setting_is_refused_without_being_shown() {
    for (line, told) in [
        ("hunter2", "expected KEY=VALUE, found a line without ="),
        ("export hunter2=1", "expected a key of letters, digits and _ (at most 128) before the ="),
        ("=hunter2", "expected a key of letters, digits and _ (at most 128) before the ="),
        ("A=hunter2\u{0}", "a control character or line separator in the line"),
        ("A=hunter2\rB=1", "a control character or line separator in the line"),
        ("A=hunter2\u{2028}CUTOVER_SUCCESS=true", "a control character or line separator in the line"),
    ] {
        let fault = Cutover::parse(path(), &format!("# one\n{line}\n")).unwrap_err();
        assert_eq!(fault.to_string(), format!("cutover template ops/t.env:2: {told}"));
        assert!(!format!("{fault:?}").contains("hunter2"));
    }
}

#[test]
fn a_key_of_endless_length_is_refused() {
    let told = |length: usize| Cutover::parse(path(), &format!("{}=1", "K".repeat(length))).unwrap_err();
    assert!(matches!(told(128), TemplateError::MissingKeys { .. }));
    assert!(matches!(told(129), TemplateError::Line { fault: LineFault::BadKey { line: 1 }, .. }));
}

#[test]
fn a_key_that_is_set_twice_is_refused_with_both_lines() {
    let text = format!("{}\nPRECHECK_CMD=hunter2\n", text(Kind::Cutover, "", ""));
    let fault = Cutover::parse(path(), &text).unwrap_err();
    let told = "cutover template ops/t.env:18: PRECHECK_CMD is set again, first in line 12; keep one";
    assert_eq!(fault.to_string(), told);
    assert!(!format!("{fault:?}").contains("hunter2"));
}

#[test]
fn debug_output_shows_no_value() {
    let cutover =
        Cutover::parse(path(), &text(Kind::Cutover, "PRECHECK_CMD", "PGPASSWORD=hunter2 psql")).unwrap();
    assert!(!format!("{cutover:?}").contains("hunter2"));
    let entry = Entry { key: "A", value: "hunter2", line: 1 };
    assert!(!format!("{entry:?}").contains("hunter2"));
}

#[test]
fn unknown_keys_are_kept_and_warned_about() {
    let text = format!("{}TEAM=core\nPRECHEK_CMD=true\n", text(Kind::Cutover, "", ""));
    let cutover = Cutover::parse(path(), &text).unwrap();
    assert_eq!(cutover.template.get("TEAM").unwrap().text, "core");
    assert_eq!(
        cutover.template.warnings(),
        [
            "cutover template ops/t.env:17: unknown key TEAM is not used",
            "cutover template ops/t.env:18: unknown key PRECHEK_CMD is not used, did you mean PRECHECK_CMD?",
        ]
    );
}

#[test]
fn times_are_positive_plain_decimals() {
    for bad in [
        "NaN",
        "nan",
        "inf",
        "-1",
        "-inf",
        "0",
        "0.0",
        "1e3",
        "+5",
        "180s",
        "3m",
        "1,000",
        "1_000",
        "0x10",
        ".5",
        "5.",
        "99999999999999999999",
        "180 180",
        "١٨٠",
    ] {
        let told = refusal(Kind::Rollback, "MAX_ROLLBACK_SECONDS", bad);
        let expected =
            "rollback template ops/t.env:10: MAX_ROLLBACK_SECONDS must be a plain number of seconds";
        assert!(told.starts_with(expected) && told.ends_with(&format!("found \"{bad}\"")), "{told}");
        assert!(refusal(Kind::Cutover, "POST_SWITCH_MONITOR_MINUTES", bad).contains("number of minutes"));
    }
    let half = Cutover::parse(path(), &text(Kind::Cutover, "POST_SWITCH_MONITOR_MINUTES", "0.5")).unwrap();
    assert_eq!(half.monitor.duration, Duration::from_secs(30));
}

#[test]
fn a_window_is_a_start_or_a_start_and_an_end_with_offsets() {
    for good in [
        "2026-02-13T09:00:00+08:00",
        "2026-02-13T09:00+08:00",
        "2026-02-13T01:00:00Z",
        "2026-02-13T09:00:00+08:00/2026-02-13T11:00:00+08:00",
        "2026-02-13T09:00:00+08:00 / 2026-02-13T01:30:00Z",
    ] {
        let cutover = Cutover::parse(path(), &text(Kind::Cutover, "CUTOVER_WINDOW_LOCAL", good)).expect(good);
        assert_eq!(cutover.window.start.to_string(), "2026-02-13T01:00:00Z", "{good}");
        assert_eq!(cutover.window.end.is_some(), good.contains('/'));
        assert_eq!(cutover.window.text, good);
    }
    for bad in [
        "tonight",
        "2026-02-13",
        "2026-02-13T09:00:00",
        "2026-02-30T09:00:00+08:00",
        "2026-02-13T09:00:00[Asia/Shanghai]",
        "2026-02-13T09:00:00+08:00[Asia/Shanghai]",
        "2026-02-13T09:00:00+08:00[+08:00]",
        "2026-02-13T09:00:00+08:00/",
        "2026-02-13T09:00:00+08:00/2026-02-13T09:00:00+08:00",
        "2026-02-13T09:00:00+08:00/2026-02-13T09:00:00+09:00",
        "2026-02-13T09:00:00+08:00/2026-02-13T10:00:00+08:00/2026-02-13T11:00:00+08:00",
    ] {
        let told = refusal(Kind::Cutover, "CUTOVER_WINDOW_LOCAL", bad);
        assert!(
            told.starts_with("cutover template ops/t.env:2: CUTOVER_WINDOW_LOCAL must be a time with"),
            "{told}"
        );
    }
}

#[test]
fn monitor_keys_are_different_names_between_commas() {
    let cutover = Cutover::parse(path(), &text(Kind::Cutover, "MONITOR_KEYS", "a_ms , b.c:d-e")).unwrap();
    assert_eq!(cutover.monitor_keys, ["a_ms", "b.c:d-e"]);
    assert_eq!(cutover.monitor_keys_text.text, "a_ms , b.c:d-e");
    for bad in [",", "a,", "a,,b", "a b", "a;b", "a,a", "5"] {
        assert!(
            refusal(Kind::Cutover, "MONITOR_KEYS", bad).contains("must be different metric names"),
            "{bad}"
        );
    }
}

/// Reads in a thread, so that a read that blocks fails the test and does not hang it.
fn read_or_hang(path: &Path) -> String {
    let (send, receive) = std::sync::mpsc::channel();
    let path = path.to_owned();
    std::thread::spawn(move || send.send(Cutover::read(&path).unwrap_err().to_string()));
    receive.recv_timeout(Duration::from_secs(30)).expect("reading a template blocked")
}

#[test]
fn what_is_no_small_text_file_is_refused_at_once() {
    use rustix::fs::{CWD, Mode, mkfifoat};
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    mkfifoat(CWD, at("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    std::fs::File::create(at("large")).unwrap().set_len(100 << 20).unwrap();
    std::fs::write(at("latin1"), b"A=1\nB=caf\xe9\n").unwrap();
    std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
    std::os::unix::fs::symlink(at("fifo"), at("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    for (path, told) in [
        (dir.path().to_owned(), "is a folder, not a file"),
        (at("fifo"), "is a FIFO, not a file"),
        (at("link"), "is a FIFO, not a file"),
        (at("socket"), "is a socket, not a file"),
        ("/dev/zero".into(), "is a device, not a file"),
        (at("large"), "is larger than 1 MiB"),
        (at("latin1"), "is not UTF-8 (line 2)"),
        (at("loop"), "cannot be read: Too many levels of symbolic links (os error 40)"),
    ] {
        assert_eq!(read_or_hang(&path), format!("cutover template {} {told}", path.display()));
    }
}

#[test]
fn a_file_is_read_up_to_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.env");
    let good = text(Kind::Cutover, "", "");
    let comment = |size: u64| format!("{good}#{}", "x".repeat(size as usize - good.len() - 1));
    std::fs::write(&path, comment(LARGEST)).unwrap();
    assert!(Cutover::read(&path).is_ok());
    std::fs::write(&path, comment(LARGEST + 1)).unwrap();
    assert!(matches!(
        Cutover::read(&path),
        Err(TemplateError::File { fault: FileFault::TooLarge { .. }, .. })
    ));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>(), value in any::<String>(), key in 0..16usize) {
        let _ = Cutover::parse(path(), &text).map_err(|fault| fault.to_string());
        let _ = Rollback::parse(path(), &text).map_err(|fault| fault.to_string());
        let _ = Cutover::parse(path(), &self::text(Kind::Cutover, Cutover::KEYS[key], &value));
    }

    #[test]
    fn an_error_is_one_line(text in any::<String>(), value in any::<String>(), key in 0..16usize) {
        for text in [text, self::text(Kind::Cutover, Cutover::KEYS[key], &value)] {
            if let Err(fault) = Cutover::parse(path(), &text) {
                prop_assert!(!fault.to_string().contains(char::is_control));
            }
        }
    }

    #[test]
    fn what_is_written_reads_back_as_the_same(
        settings in proptest::collection::btree_map("[A-Za-z_][A-Za-z0-9_.-]{0,12}", "([!-~é][ -~é\\t]{0,20}[!-~é])?", 0..12),
        crlf in any::<bool>(), bom in any::<bool>(), padding in "[ \\t]{0,3}", comments in any::<bool>(),
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let mut text = if bom { "\u{feff}".to_owned() } else { String::new() };
        let mut expected = Vec::new();
        let mut line = 0;
        for (key, value) in &settings {
            if comments {
                text += &format!("{padding}# {key}={end}{end}");
                line += 2;
            }
            text += &format!("{padding}{key}{padding}={padding}{value}{padding}{end}");
            line += 1;
            expected.push(Entry { key, value, line });
        }
        let read: Vec<Entry<'_>> = entries(&text).map(Result::unwrap).collect();
        prop_assert_eq!(read, expected);
    }
}
