//! Clients that end in the background.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// A client whose end is waited for elsewhere: librdkafka ends its threads one by one, and one that resolves a
/// name or polls for admin answers takes its time.
pub struct Parting<T: Send + Sync + 'static>(Arc<T>);

impl<T: Send + Sync + 'static> Parting<T> {
    /// Takes charge of a client.
    pub fn new(client: T) -> Parting<T> {
        Parting(Arc::new(client))
    }
}

impl<T: Send + Sync + 'static> Deref for Parting<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync + 'static> Drop for Parting<T> {
    fn drop(&mut self) {
        let client = Arc::clone(&self.0);
        let wait = move || {
            // Until this thread holds the last of it, so that the end is here and not there.
            while Arc::strong_count(&client) > 1 {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        // Where no thread can be had, the client ends here.
        std::thread::Builder::new().name("kafka-parting".into()).spawn(wait).ok();
    }
}
