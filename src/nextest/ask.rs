//! The test's side: asks the run's holder for its gate, and waits as long as the holder shows signs of life.

use super::wire::{self, Answer, Question, SILENCE, Told};
use super::{CONFIGURATION, NextestError, SOCKET_VARIABLE};
use crate::model::GateId;
use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the question may take to be sent.
const SEND: Duration = Duration::from_secs(10);

/// Whether this process is one test that nextest runs: it names the test by an exact filter, and says so in a
/// variable. What a test starts has that variable too, but no such filter.
pub fn is_test(filter: Option<&str>, exact: bool) -> bool {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|seen| seen == value);
    let process_per_test = is("NEXTEST", "1") && is("NEXTEST_EXECUTION_MODE", "process-per-test");
    let named = |filter: &str| std::env::var("NEXTEST_TEST_NAME").map_or(true, |name| name == filter);
    process_per_test && exact && filter.is_some_and(named)
}

/// Where the run's holder listens.
///
/// # Errors
/// No setup script has said so: what to configure.
pub fn holder() -> Result<PathBuf, NextestError> {
    std::env::var_os(SOCKET_VARIABLE).map(PathBuf::from).ok_or_else(|| {
        NextestError(format!(
            "under nextest each gate is a process of its own, and a setup script starts the services for all: expected \
             {SOCKET_VARIABLE} from it, and it is not set. Put this into .config/nextest.toml, `gates` being this test \
             target:\n\n{CONFIGURATION}"
        ))
    })
}

/// Asks for a gate of the profile at this path.
///
/// # Errors
/// The holder is gone, is silent for a minute, or has no such gate. Nothing is known of the gate then.
pub fn gate(holder: &Path, profile: &Path, id: &GateId) -> Result<Told, NextestError> {
    let question = Question::Gate {
        id: id.to_string(),
        profile: canonical(profile),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    match ask(holder, &question, &mut || {})? {
        Answer::Gate(told) => Ok(told),
        answer => Err(unexpected(&answer)),
    }
}

/// Variables that point to the services, and why services are not there.
pub(super) type Services = (Vec<(String, String)>, Vec<(String, String)>);

/// Asks where the services are; `meanwhile` is called while they start.
pub(super) fn services(holder: &Path, meanwhile: &mut dyn FnMut()) -> Result<Services, NextestError> {
    match ask(holder, &Question::Services, meanwhile)? {
        Answer::Services { variables, missing } => Ok((variables, missing)),
        answer => Err(unexpected(&answer)),
    }
}

/// A path without links, as both sides compare it.
pub(super) fn canonical(path: &Path) -> String {
    path.canonicalize().unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

fn ask(holder: &Path, question: &Question, meanwhile: &mut dyn FnMut()) -> Result<Answer, NextestError> {
    let lost = |what: &str, error: &dyn std::fmt::Display| {
        NextestError(format!(
            "{what} the process that holds the run at {}: {error}; it was ended or killed, and nothing more is \
             measured: run the tests again",
            holder.display()
        ))
    };
    let mut stream = UnixStream::connect(holder).map_err(|error| lost("cannot reach", &error))?;
    let prepared = stream
        .set_read_timeout(Some(SILENCE))
        .and_then(|()| stream.set_write_timeout(Some(SEND)))
        .and_then(|()| wire::write(&mut stream, question));
    prepared.map_err(|error| lost("cannot ask", &error))?;
    let mut answers = BufReader::new(stream);
    loop {
        match wire::read(&mut answers) {
            Ok(Some(Answer::Wait)) => meanwhile(),
            Ok(Some(Answer::Refused(why))) => return Err(NextestError(why)),
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => return Err(lost("no answer from", &"it closed the connection")),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Err(lost("no answer from", &format!("it was silent for {} s", SILENCE.as_secs())));
            }
            Err(error) => return Err(lost("no answer from", &error)),
        }
    }
}

fn unexpected(answer: &Answer) -> NextestError {
    // Passwords may be in it: only its kind is told.
    let kind = match answer {
        Answer::Wait => "a sign of life",
        Answer::Gate(_) => "a gate's outcome",
        Answer::Services { .. } => "the services",
        Answer::Refused(_) => "a refusal",
    };
    NextestError(format!("the process that holds the run answered with {kind}, which was not asked for"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn answered_by(answer: impl FnOnce(UnixStream) + Send + 'static) -> Result<Told, NextestError> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("run");
        let listener = UnixListener::bind(&socket).unwrap();
        let holder = std::thread::spawn(move || answer(listener.accept().unwrap().0));
        let told = gate(&socket, Path::new("x.toml"), &GateId::new("a").unwrap());
        holder.join().unwrap();
        told
    }

    #[test]
    fn a_holder_that_ends_without_an_answer_is_an_error() {
        let told = answered_by(|mut stream| wire::write(&mut stream, &Answer::Wait).unwrap()).unwrap_err();
        assert!(told.0.contains("no answer from") && told.0.contains("nothing more is measured"), "{told}");
        assert!(answered_by(drop).is_err());
        let nobody = gate(Path::new("/nowhere/run"), Path::new("x.toml"), &GateId::new("a").unwrap());
        assert!(nobody.unwrap_err().0.contains("cannot reach"));
    }

    #[test]
    fn an_answer_to_another_question_is_an_error_and_tells_no_password() {
        let services = Answer::Services { variables: vec![("A".into(), "sesame".into())], missing: vec![] };
        let told = answered_by(move |mut stream| {
            let question: Option<Question> = wire::read(&mut BufReader::new(&stream)).unwrap();
            assert!(matches!(question, Some(Question::Gate { id, .. }) if id == "a"));
            wire::write(&mut stream, &services).unwrap();
        });
        let told = told.unwrap_err().0;
        assert!(told.contains("the services") && !told.contains("sesame"), "{told}");
    }
}
