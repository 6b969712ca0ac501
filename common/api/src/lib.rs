//! JSON wire types of the server: what the page and scripts exchange with it.
//!
//! Times are milliseconds since 1970 (UTC). Requests refuse fields that are not
//! known, so that a misspelt one is named rather than ignored; answers may gain
//! fields, and readers pass over those that they do not know.

mod events;
mod problem;
mod runs;
mod tokens;
mod zoos;

pub use events::{Event, Scored, StoredEvent};
pub use problem::{FieldProblem, Problem};
pub use runs::{
    Data, NewRun, Offers, Progress, RankAgainst, Run, RunResult, RunState, Runs, TaskOffer, Upload,
    UploadFormat, Uploads,
};
pub use tokens::{Scope, TokenInfo};
pub use zoos::{Info, NewZoo, ZooFile};
