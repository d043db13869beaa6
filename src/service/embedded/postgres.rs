//! PostgreSQL with logical decoding, for one run: nothing is synced to the disk. As another user where we are
//! root.

use super::account::{self, Account, Folder, Sharing, copy};
use super::command::Helper;
use super::launch::{Failure, Launch, Place, Prepared, Watch, at, clean};
use super::start::EngineSource;
use super::tools;
use crate::model::{Endpoint, Product, Secret, ServiceKind};
use ::postgres::{Client, NoTls};
use rustix::process::Signal;
use std::fs::{File, Permissions, set_permissions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The superuser of the data folder; each run makes its own user with it.
const ADMIN: &str = "cutproof_admin";
/// An empty database of the template: renaming it takes a millisecond, making one copies 300 files.
const SPARE: &str = "cutproof_spare";
/// Throwaway data, logical decoding, and no statement (which may hold a password) in the log.
const SETTINGS: [&str; 15] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "wal_level=logical",
    "max_replication_slots=8",
    "max_wal_senders=8",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "shared_buffers=32MB",
    "max_wal_size=128MB",
    // In the data folder, so that a server that was killed leaves nothing elsewhere.
    "dynamic_shared_memory_type=mmap",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_statement=none",
    "log_min_error_statement=panic",
];

pub(super) struct Postgres {
    name: String,
    from: EngineSource,
    user: String,
    database: String,
    admin: Secret,
    data: PathBuf,
    port: u16,
}

impl Postgres {
    pub fn new(name: &str, from: EngineSource, user: &str, database: &str) -> Postgres {
        Postgres {
            name: name.to_owned(),
            from,
            user: user.to_owned(),
            database: database.to_owned(),
            admin: Secret::new(""),
            data: PathBuf::new(),
            port: 0,
        }
    }

    /// The data in memory where there is plenty: a cluster is a thousand small files, thrown away in a
    /// minute. The programs where the account can reach them.
    fn lay_out(
        &mut self,
        place: &Place,
        account: Option<&Account>,
    ) -> Result<(PathBuf, Vec<Folder>), Failure> {
        let failed = |error| Failure::new("a folder for PostgreSQL", error);
        let places: Vec<PathBuf> = account::memory()
            .into_iter()
            .chain([place.data.clone()])
            .chain(account::temp_folders())
            .collect();
        let mut folders = vec![Folder::new(account, &places).map_err(failed)?];
        self.data = folders[0].path().join("pgdata");
        let server = place.installed()?.postgres();
        let bin = match &self.from {
            EngineSource::Path(path) => bin_folder(path)?,
            EngineSource::Pinned if account.is_none_or(|account| account.reaches(&server)) => {
                server.join("bin")
            }
            EngineSource::Pinned => {
                let folder =
                    Folder::beside(&folders[0], account, &account::temp_folders()).map_err(failed)?;
                let own = folder.path().join("server");
                copy(&server, &own, Sharing::Linked).map_err(at(&own))?;
                folders.push(folder);
                own.join("bin")
            }
        };
        self.fill(place, &bin, account)?;
        Ok((bin, folders))
    }

    /// A copy of the template for the pinned server; another one makes its data itself.
    fn fill(&mut self, place: &Place, bin: &Path, account: Option<&Account>) -> Result<(), Failure> {
        match self.from {
            EngineSource::Pinned => {
                let template = place.installed()?.postgres_template();
                self.admin = read_password(&template.join(PASSWORD))?;
                copy(&template.join("pgdata"), &self.data, Sharing::Own).map_err(at(&self.data))?;
                account.map_or(Ok(()), |account| account.own(&self.data)).map_err(at(&self.data))
            }
            EngineSource::Path(_) => {
                self.admin = secret()?;
                let limit = place.deadline.saturating_duration_since(std::time::Instant::now());
                let going = &mut || !place.stopping.load(Ordering::Relaxed);
                let helper = Helper { what: "initdb", worker: place.worker, log: &place.log, limit };
                initdb(bin, &self.data, &self.admin, account, &helper, going)
            }
        }
    }

    fn endpoint(&self, user: &str, password: Secret, database: &str) -> Endpoint {
        let mut endpoint = Endpoint::at(ServiceKind::Postgres, format!("127.0.0.1:{}", self.port));
        endpoint.user = Some(user.to_owned());
        endpoint.password = Some(password);
        endpoint.database = Some(database.to_owned());
        endpoint
    }

    /// The run's own user and database. Returns the user's password.
    fn make_user(&self, admin: &mut Client) -> Result<Secret, Failure> {
        let password = secret()?;
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let (user, database) = (quoted(&self.user), quoted(&self.database));
        let failed =
            |error| Failure::new(format!("user {user} and database {database} to be made"), said(&error));
        let role = format!("CREATE ROLE {user} LOGIN SUPERUSER PASSWORD '{}'", password.reveal());
        admin.batch_execute(&role).map_err(failed)?;
        let there = |name: &str, admin: &mut Client| {
            let found = admin.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]);
            found.map(|row| row.is_some()).map_err(failed)
        };
        let sql = if there(&self.database, admin)? {
            format!("ALTER DATABASE {database} OWNER TO {user}")
        } else if there(SPARE, admin)? {
            format!("ALTER DATABASE {SPARE} RENAME TO {database}; ALTER DATABASE {database} OWNER TO {user}")
        } else {
            format!("CREATE DATABASE {database} OWNER {user}")
        };
        // One at a time: a statement about a database takes no company.
        sql.split("; ").try_for_each(|sql| admin.batch_execute(sql)).map_err(failed)?;
        Ok(password)
    }
}

impl Launch for Postgres {
    fn services(&self) -> Vec<(String, ServiceKind)> {
        vec![(self.name.clone(), ServiceKind::Postgres)]
    }

    fn prepare(&mut self, place: &Place) -> Result<Prepared, Failure> {
        let account =
            Account::for_postgres().map_err(|error| Failure::new("a user for PostgreSQL", error))?;
        let (bin, folders) = self.lay_out(place, account.as_ref())?;
        let port = (place.ports)().map_err(|error| Failure::new("a free port", error))?;
        self.port = port.number();
        let mut command = as_account(&bin.join("postgres"), account.as_ref());
        command.current_dir(&self.data).arg("-D").arg(&self.data).args(["-p", &self.port.to_string()]);
        command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        // QUIT is its immediate shutdown: it ends its children, which are in sessions of their own, and gives
        // its shared memory back.
        Ok(Prepared { command, ports: vec![port], ending: Signal::QUIT, folders })
    }

    fn ready(&self, watch: &Watch<'_>, ready: &mut dyn FnMut(&str, Endpoint)) -> Result<(), Failure> {
        let admin = self.endpoint(ADMIN, self.admin.clone(), "postgres");
        let mut admin = watch.until(&format!("a connection to {}", admin.address), || {
            answers(self.port, watch.patience()).map_err(|error| error.to_string())?;
            let mut admin = connect(&admin, watch.patience())?;
            let row = admin.query_one("SHOW data_directory", &[]).map_err(|error| said(&error))?;
            match row.get::<_, String>(0) {
                ours if Path::new(&ours) == self.data => Ok(admin),
                other => Err(format!("another server is there, with its data in {other}")),
            }
        })?;
        let mut endpoint = self.endpoint(&self.user, self.make_user(&mut admin)?, &self.database);
        let failed = |seen| Failure::new(format!("an answer as {} in {}", self.user, self.database), seen);
        let (version, identity) = identify(&endpoint, watch.patience()).map_err(failed)?;
        endpoint.product = Some(Product { name: "PostgreSQL".to_owned(), version });
        endpoint.identity.extend(identity);
        ready(&self.name, endpoint);
        Ok(())
    }
}

/// Whether a PostgreSQL is there. The client waits for the answer to its greeting without a deadline, and
/// would wait for ever for a stranger on our port; so the first question (SSLRequest, answered by one byte)
/// is asked here.
fn answers(port: u16, patience: Duration) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    if matches!(answer[0], b'N' | b'S') {
        Ok(())
    } else {
        Err(io::Error::other("what is there is no PostgreSQL"))
    }
}

/// A session at this endpoint.
pub(super) fn connect(endpoint: &Endpoint, patience: Duration) -> Result<Client, String> {
    let (host, port) = endpoint.address.split_once(':').ok_or("an address without a port")?;
    let mut config = ::postgres::Config::new();
    config.host(host).port(port.parse().map_err(|_| "an address without a port")?).connect_timeout(patience);
    if let (Some(user), Some(password)) = (&endpoint.user, &endpoint.password) {
        config.user(user).password(password.reveal());
    }
    config.dbname(endpoint.database.as_deref().unwrap_or("postgres"));
    config.connect(NoTls).map_err(|error| said(&error))
}

/// The server's version, and what tells it from others.
fn identify(endpoint: &Endpoint, patience: Duration) -> Result<(String, [(String, String); 2]), String> {
    // All copies of one template have the same identifier; no two servers start at the same microsecond.
    let sql = "SELECT current_setting('server_version'), system_identifier::text, \
               to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') \
               FROM pg_control_system()";
    let row = connect(endpoint, patience)?.query_one(sql, &[]).map_err(|error| said(&error))?;
    let identity = [("system_identifier", row.get(1)), ("postmaster_start_time", row.get(2))];
    Ok((row.get(0), identity.map(|(name, value)| (name.to_owned(), value))))
}

/// Where the admin's password of a template stands, beside its data.
const PASSWORD: &str = "password";

/// Makes the folder that each start copies: `pgdata` and the admin's password.
pub(super) fn make_template(server: &Path, template: &Path, helper: &Helper<'_>) -> Result<(), Failure> {
    let account = Account::for_postgres().map_err(|error| Failure::new("a user for PostgreSQL", error))?;
    std::fs::create_dir_all(template).map_err(at(template))?;
    let password = secret()?;
    let kept = template.join(PASSWORD);
    write_private(&kept, password.reveal()).map_err(at(&kept))?;
    let target = template.join("pgdata");
    let Some(account) = account else {
        initdb(&server.join("bin"), &target, &password, None, helper, &mut || true)?;
        return add_spare(&server.join("bin"), &target, None, helper);
    };
    let folder = Folder::new(Some(&account), &account::temp_folders())
        .map_err(|error| Failure::new("a folder for PostgreSQL", error))?;
    let (own, data) = (folder.path().join("server"), folder.path().join("pgdata"));
    copy(server, &own, Sharing::Linked).map_err(at(&own))?;
    initdb(&own.join("bin"), &data, &password, Some(&account), helper, &mut || true)?;
    add_spare(&own.join("bin"), &data, Some(&account), helper)?;
    copy(&data, &target, Sharing::Own).map_err(at(&target))
}

/// In single-user mode, which reads statements from its standard input.
fn add_spare(bin: &Path, data: &Path, account: Option<&Account>, helper: &Helper<'_>) -> Result<(), Failure> {
    let file = data.with_extension("sql");
    std::fs::write(&file, format!("CREATE DATABASE {SPARE}\n")).map_err(at(&file))?;
    let mut command = as_account(&bin.join("postgres"), account);
    command.arg("--single").arg("-D").arg(data).args(["-c", "fsync=off", "template1"]);
    command.stdin(File::open(&file).map_err(at(&file))?);
    let made = Helper { what: "postgres --single", ..*helper }.run(&mut command, &mut || true);
    made.map_err(|error| Failure::new("a spare database by postgres --single", error.how))?;
    std::fs::remove_file(&file).map_err(at(&file))
}

fn initdb(
    bin: &Path,
    data: &Path,
    password: &Secret,
    account: Option<&Account>,
    helper: &Helper<'_>,
    going: &mut dyn FnMut() -> bool,
) -> Result<(), Failure> {
    std::fs::create_dir(data).map_err(at(data))?;
    let file = data.with_extension("password");
    write_private(&file, password.reveal()).map_err(at(&file))?;
    if let Some(account) = account {
        account.own(data).and_then(|()| account.own(&file)).map_err(at(data))?;
    }
    let mut command = as_account(&bin.join("initdb"), account);
    command.arg("-D").arg(data).args(["-U", ADMIN]).arg("--pwfile").arg(&file);
    command.args(["-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync", "--wal-segsize=1"]);
    let made = helper.run(&mut command, going);
    std::fs::remove_file(&file).map_err(at(&file))?;
    made.map_err(|error| Failure::new("a data folder by initdb", error.how))
}

fn as_account(program: &Path, account: Option<&Account>) -> Command {
    let mut command = clean(program);
    if let Some(account) = account {
        // Groups of root are dropped with the user.
        command.uid(account.uid).gid(account.gid).env("HOME", "/").current_dir("/");
    }
    command
}

/// From a bin folder, a path of `postgres`, or its name on PATH.
fn bin_folder(path: &Path) -> Result<PathBuf, Failure> {
    let found = if path.components().count() == 1 { tools::on_path(path) } else { None };
    let found = found.as_deref().unwrap_or(path);
    let file = if found.is_dir() { found.join("postgres") } else { found.to_owned() };
    // Its companions stand beside the real file, not beside a link to it.
    let file = file.canonicalize().ok().filter(|file| tools::is_program(file));
    let folder =
        file.as_deref().and_then(Path::parent).filter(|folder| tools::is_program(&folder.join("initdb")));
    folder.map(Path::to_owned).ok_or_else(|| {
        Failure::new(
            "a PostgreSQL bin folder with postgres and initdb",
            format!("none at {}", path.display()),
        )
    })
}

fn said(error: &::postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => format!("{}: {}", said.severity(), said.message()),
        None => error.to_string(),
    }
}

/// 128 random bits of the system's, in hexadecimal: safe in any quotes.
fn secret() -> Result<Secret, Failure> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    File::open(source).and_then(|mut file| file.read_exact(&mut bytes)).map_err(at(source))?;
    Ok(Secret::new(super::pins::hex(&bytes)))
}

fn read_password(file: &Path) -> Result<Secret, Failure> {
    std::fs::read_to_string(file).map(Secret::new).map_err(at(file))
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    std::fs::write(path, "")?;
    set_permissions(path, Permissions::from_mode(0o600))?;
    std::fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_folder_is_found_through_a_link_and_refused_where_there_is_none() {
        let top = tempfile::tempdir().unwrap();
        let bin = top.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        for name in ["postgres", "initdb"] {
            std::fs::write(bin.join(name), "").unwrap();
            set_permissions(bin.join(name), Permissions::from_mode(0o755)).unwrap();
        }
        let link = top.path().join("postgres");
        std::os::unix::fs::symlink(bin.join("postgres"), &link).unwrap();
        let real = bin.canonicalize().unwrap();
        for path in [&bin, &bin.join("postgres"), &link, &top.path().to_owned()] {
            assert_eq!(bin_folder(path).unwrap(), real);
        }
        std::fs::remove_file(bin.join("initdb")).unwrap();
        assert!(bin_folder(&bin).unwrap_err().seen.starts_with("none at "));
    }

    #[test]
    fn secrets_differ_and_are_never_shown() {
        let (a, b) = (secret().unwrap(), secret().unwrap());
        assert!(a != b && a.reveal().len() == 32);
        assert_eq!(format!("{a:?}"), "***");
    }
}
