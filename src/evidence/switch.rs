//! The two `.env` files of a cutover.

use super::{Document, RunView};

/// The cutover's file.
pub const CUTOVER_FILE: &str = "ctp_cutover_result.env";
/// The rollback's file.
pub const ROLLBACK_FILE: &str = "ctp_rollback_result.env";

/// The files of a cutover and its rollback, as far as the journal goes.
pub fn switch_documents(_run: &RunView<'_>) -> Vec<Document> {
    Vec::new()
}
