//! TLS as a client speaks it: who is trusted, as whom we are known, and the handshake within a deadline. The server's
//! certificate and its name are always checked; there is no way to leave that out.

use super::tcp;
use super::tls_files::{Files, Identity};
use crate::model::service::Tls;
use crate::probe::ProbeError;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

/// How long a server that was sent a TLS greeting in place of its own protocol has to answer it.
const GREETING: Duration = Duration::from_secs(1);

/// How long a server that has finished the handshake is listened to for a complaint about our certificate: in TLS 1.3
/// it comes after the handshake.
const COMPLAINT: Duration = Duration::from_millis(300);

/// Whether the files of these settings are there and hold what they should.
///
/// # Errors
/// The file, what was expected of it and what it is.
pub fn check(tls: &Tls) -> Result<(), ProbeError> {
    Files::read(tls).and_then(|files| config_of(files, tls)).map(drop)
}

/// The settings of connections.
///
/// # Errors
/// As [`check`].
pub fn config(tls: &Tls) -> Result<Arc<ClientConfig>, ProbeError> {
    config_of(Files::read(tls)?, tls).map(Arc::new)
}

fn config_of(files: Files, tls: &Tls) -> Result<ClientConfig, ProbeError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(files.authorities);
    if roots.is_empty() {
        let ca = tls.ca.as_deref().map_or("the system's list".into(), |ca| ca.to_string_lossy());
        return Err(ProbeError(format!("`tls.ca`: expected certificates of authorities in {ca}, seen none")));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| ProbeError(format!("no version of TLS can be spoken: {error}")))?
        .with_root_certificates(roots);
    let Some(Identity { chain, key, .. }) = files.identity else { return Ok(builder.with_no_client_auth()) };
    builder.with_client_auth_cert(chain, key).map_err(|error| {
        let shown = |path: &Option<std::path::PathBuf>| match path {
            Some(path) => path.display().to_string(),
            None => String::new(),
        };
        let (certificate, key) = (shown(&tls.certificate), shown(&tls.key));
        ProbeError(format!(
            "`tls.key`: expected the private key of the certificate {certificate} in {key}, seen another ({error})"
        ))
    })
}

/// The same for HTTP.
///
/// # Errors
/// As [`check`].
pub fn for_http(tls: &Tls) -> Result<TlsConfig, ProbeError> {
    // The HTTP library takes these files at their word; what is wrong with them is told here.
    check(tls)?;
    let files = Files::read(tls)?;
    let owned = |der: &[u8]| Certificate::from_der(der).to_owned();
    let authorities: Vec<_> = files.authorities.iter().map(|der| owned(der)).collect();
    let identity = match files.identity {
        None => None,
        Some(Identity { chain, pem, .. }) => {
            let chain: Vec<_> = chain.iter().map(|der| owned(der)).collect();
            let key =
                PrivateKey::from_pem(&pem).map_err(|error| ProbeError(format!("`tls.key`: {error}")))?;
            Some(ClientCert::new_with_certs(&chain, key))
        }
    };
    let roots = RootCerts::new_with_certs(&authorities);
    Ok(TlsConfig::builder().root_certs(roots).client_cert(identity).build())
}

/// A connection, protected or not.
pub enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// Within TLS.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Bounds the next read and the next write.
    ///
    /// # Errors
    /// The deadline has passed.
    pub fn limit(&self, deadline: Instant) -> io::Result<()> {
        let socket = match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        };
        limit(socket, deadline)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

fn limit(socket: &TcpStream, deadline: Instant) -> io::Result<()> {
    let left = tcp::left(deadline);
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    socket.set_read_timeout(Some(left))?;
    socket.set_write_timeout(Some(left))
}

/// The host of `host:port`, without the brackets of an IPv6 address.
pub fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Shakes hands with the server of this host's name over a connection, until the deadline.
///
/// # Errors
/// The server's certificate is not one that is trusted for this name, the server refuses ours, or it speaks no TLS: the
/// error holds a [`rustls::Error`]. Or the connection breaks, or the deadline passes.
pub fn handshake(
    config: Arc<ClientConfig>,
    mut socket: TcpStream,
    host: &str,
    deadline: Instant,
) -> io::Result<Box<StreamOwned<ClientConnection, TcpStream>>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let mut session = ClientConnection::new(config, name).map_err(wrong)?;
    while session.is_handshaking() || session.wants_write() {
        limit(&socket, deadline)?;
        if session.wants_write() {
            session.write_tls(&mut socket)?;
            continue;
        }
        if session.read_tls(&mut socket)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Err(error) = session.process_new_packets() {
            // So that the server's log tells why, too; that it can't be told changes nothing.
            let _ = session.write_tls(&mut socket);
            return Err(wrong(error));
        }
    }
    Ok(Box::new(StreamOwned::new(session, socket)))
}

fn wrong(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Looks whether TLS can be spoken with `host:port`, for clients whose own errors say too little. `Ok` also where
/// nothing can be said.
///
/// # Errors
/// As [`handshake`].
pub fn look(tls: &Tls, address: &str, deadline: Instant) -> io::Result<()> {
    let (Ok(config), Ok(socket)) = (config(tls), tcp::dial(address, deadline)) else { return Ok(()) };
    let mut stream = handshake(config, socket, host(address), deadline)?;
    limit(&stream.sock, deadline.min(Instant::now() + COMPLAINT))?;
    match stream.read(&mut [0; 1]) {
        Err(error) if error.get_ref().is_some() => Err(error),
        _ => Ok(()),
    }
}

/// Whether TLS is spoken at `host:port`, for those who did not speak it and were not understood.
pub fn speaks(address: &str, deadline: Instant) -> bool {
    use rustls::Error::{AlertReceived, InvalidCertificate, PeerIncompatible};
    let deadline = deadline.min(Instant::now() + GREETING);
    let nobody = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    let (Ok(nobody), Ok(socket)) = (nobody, tcp::dial(address, deadline)) else { return false };
    match handshake(Arc::new(nobody), socket, host(address), deadline) {
        Ok(_) => true,
        Err(error) => matches!(
            super::tls_error::found(&error),
            Some(AlertReceived(_) | InvalidCertificate(_) | PeerIncompatible(_))
        ),
    }
}
