//! A PostgreSQL of its own for each test binary that needs one.
//!
//! ```text
//!  test ──pipe──► sh ──► postgres        The shell waits for the pipe to close, stops the server and
//!   └──── Unix socket ────┘              removes the folder: nothing is left, however the test ends.
//! ```

mod cluster;
mod programs;

pub use cluster::{Cluster, database};
