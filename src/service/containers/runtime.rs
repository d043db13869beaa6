//! The asynchronous runtime that Docker's client needs, on two threads of its own. Everything else is plain threads.

use crate::service::ServiceError;
use std::future::Future;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// A runtime whose end nobody waits for: what is still asked of a daemon that hangs is forgotten.
pub(super) struct Pool {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Pool {
    pub fn start() -> Result<Pool, ServiceError> {
        let runtime =
            Builder::new_multi_thread().worker_threads(2).thread_name("docker").enable_all().build();
        let runtime = runtime
            .map_err(|error| ServiceError(format!("expected two threads for Docker's client: {error}")))?;
        let handle = runtime.handle().clone();
        Ok(Pool { runtime: Some(runtime), handle })
    }

    /// Runs it here. Not for threads of the runtime itself.
    pub fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.handle.block_on(work)
    }

    /// Runs it beside.
    pub fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(work)
    }

    /// Waits for what runs beside; the error is that it panicked.
    pub fn wait<T>(&self, task: JoinHandle<T>) -> Result<T, String> {
        self.block_on(task).map_err(|error| format!("Docker's client failed: {error}"))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
