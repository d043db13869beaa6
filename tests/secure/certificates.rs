//! Authorities and certificates for one test process. Nothing of them is kept.

use cutproof::model::service::Tls;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Two authorities and whom they vouch for, in a folder that goes with the test process's temporary files.
pub struct Certificates {
    folder: TempDir,
    /// Removes the folder at the end of its input, which comes with the end of this process: statics are not dropped.
    _keeper: Child,
}

const CONFIG: &str = "
[ca]
default_ca = it
[it]
dir = .
database = ./index.txt
serial = ./serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
";

/// For whom each certificate is: its name here, its subject, its authority, its names, and since and until when it
/// is valid.
const LEAVES: [(&str, &str, &str, &str, [&str; 2]); 6] = [
    ("server", "server", "ca", "DNS:localhost,IP:127.0.0.1", VALID),
    ("elsewhere", "elsewhere", "ca", "DNS:elsewhere.example", VALID),
    ("expired", "expired", "ca", "DNS:localhost,IP:127.0.0.1", ["20200101000000Z", "20210101000000Z"]),
    ("client", "alice", "ca", "DNS:alice", VALID),
    ("expired-client", "alice", "ca", "DNS:alice", ["20200101000000Z", "20210101000000Z"]),
    ("stranger", "alice", "other", "DNS:alice", VALID),
];

const VALID: [&str; 2] = ["20200101000000Z", "20491231000000Z"];

impl Certificates {
    fn make() -> Certificates {
        let folder = tempfile::Builder::new().prefix("cutproof-tls-").tempdir().expect("a folder");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
        let keeper = Command::new("sh")
            .args(["-c", "trap '' INT TERM; read line; rm -rf -- \"$0\""])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("a shell starts");
        let made = Certificates { folder, _keeper: keeper };
        fs::write(made.path("ca.cnf"), CONFIG).expect("a file of ours");
        for ca in ["ca", "other"] {
            made.openssl(&format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {ca}.key -out {ca}.pem -days 2 \
                 -subj /CN=authority-{ca} -addext basicConstraints=critical,CA:TRUE"
            ));
        }
        for (name, subject, ca, names, [since, until]) in LEAVES {
            made.leaf(name, subject, ca, names, since, until);
        }
        made
    }

    fn leaf(&self, name: &str, subject: &str, ca: &str, names: &str, since: &str, until: &str) {
        fs::write(self.path("index.txt"), "").expect("a file of ours");
        fs::write(self.path("serial"), format!("{:016x}\n", fastrand::u64(1 << 60..1 << 62)))
            .expect("as above");
        fs::write(self.path("names"), format!("subjectAltName={names}\n")).expect("as above");
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN={subject}"
        ));
        self.openssl(&format!(
            "ca -batch -notext -config ca.cnf -cert {ca}.pem -keyfile {ca}.key -in {name}.csr -out {name}.pem \
             -startdate {since} -enddate {until} -extfile names"
        ));
        // Engines that run as another user read these.
        fs::set_permissions(self.path(&format!("{name}.key")), Permissions::from_mode(0o644)).expect("ours");
        // For a JVM that reads no PEM.
        self.openssl(&format!(
            "pkcs12 -export -in {name}.pem -inkey {name}.key -out {name}.p12 -passout pass:changeit"
        ));
        let whole = self.read(&format!("{name}.key")) + &self.read(&format!("{name}.pem"));
        fs::write(self.path(&format!("{name}.both")), whole).expect("a file of ours");
    }

    /// Runs openssl in the folder.
    pub fn openssl(&self, arguments: &str) {
        let done = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .output();
        let done = done
            .unwrap_or_else(|error| panic!("these tests need openssl (apt-get install openssl): {error}"));
        assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The authority as a JVM reads it, under the password `changeit`.
    pub fn for_java(&self) -> String {
        let store = self.text("ca.p12");
        let arguments =
            ["-importcert", "-noprompt", "-alias", "ca", "-storetype", "PKCS12", "-storepass", "changeit"];
        let mut keytool = Command::new("keytool");
        keytool.args(arguments).args(["-file", &self.text("ca.pem"), "-keystore", &store]);
        assert!(keytool.output().expect("keytool comes with java").status.success());
        store
    }

    /// A path as a setting has it.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("it was made")
    }

    /// Trusts this authority, and is known by nothing.
    pub fn trusting(&self, ca: &str) -> Tls {
        Tls { ca: Some(self.path(&format!("{ca}.pem"))), ..Tls::default() }
    }

    /// Trusts the authority of the servers, and is known by this certificate.
    pub fn known_by(&self, name: &str) -> Tls {
        Tls {
            certificate: Some(self.path(&format!("{name}.pem"))),
            key: Some(self.path(&format!("{name}.key"))),
            ..self.trusting("ca")
        }
    }
}

/// The certificates of this process; none is valid anywhere else.
pub fn certificates() -> &'static Certificates {
    static MADE: OnceLock<Certificates> = OnceLock::new();
    MADE.get_or_init(Certificates::make)
}
