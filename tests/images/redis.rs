//! Redis: its arguments are the server's.

use super::docker::{Container, until};

pub const IMAGE: &str = "cutproof/redis:local";
const PUBLISH: [&str; 2] = ["--publish", "127.0.0.1::6379"];

fn pong(address: &str, password: &str) -> Result<String, String> {
    let client = redis::Client::open(format!("redis://:{password}@{address}/")).unwrap();
    let mut connection = client.get_connection().map_err(|error| error.to_string())?;
    redis::cmd("PING").query(&mut connection).map_err(|error| error.to_string())
}

#[test]
#[ignore = "needs Docker and the images of ci/images/build"]
fn arguments_are_the_servers_and_the_password_is_demanded() {
    let redis = Container::run(IMAGE, &PUBLISH, &["--requirepass", "s3cret", "--save", ""]);
    let address = redis.address(6379);
    until("pong", || pong(&address, "s3cret"));
    let refused = pong(&address, "wrong").unwrap_err();
    assert!(refused.contains("AuthenticationFailed") || refused.contains("WRONGPASS"), "{refused}");
    redis.stop();
}

#[test]
#[ignore = "needs Docker and the images of ci/images/build"]
fn without_arguments_it_lets_other_hosts_in_and_is_no_root() {
    let redis = Container::run(IMAGE, &PUBLISH, &[]);
    let client = redis::Client::open(format!("redis://{}/", redis.address(6379))).unwrap();
    let info: String = until("answer to INFO", || {
        let mut connection = client.get_connection().map_err(|error| error.to_string())?;
        redis::cmd("INFO").query(&mut connection).map_err(|error| error.to_string())
    });
    assert!(info.contains("process_id:1\r\n"), "{info}");
    assert!(!redis.exec(&["cat", "/proc/1/status"]).contains("Uid:\t0"));
    redis.stop();
}
