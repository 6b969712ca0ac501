//! How to rank by a zoo, as its makers advise.

use crate::{Error, Fusion, Query, Similarity, Target, Zoo, choose, rank};
use serde::{Deserialize, Serialize};

/// A method and a similarity that rank better than others, by what a zoo's makers know.
/// Advice that a reader cannot follow is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferred {
    /// Key of an embedding set, or a fusion's name.
    pub method: String,
    /// The similarity's name.
    pub similarity: String,
}

impl Zoo {
    /// The zoo with this advice.
    ///
    /// # Errors
    /// When its own tasks cannot be ranked so.
    pub fn with_preferred(mut self, preferred: Preferred) -> Result<Self, Error> {
        let Preferred { method, similarity } = &preferred;
        let set = match (choose::set(self.sets(), Some(method)), self.sets().next()) {
            (Err(_), Some(any)) if Fusion::is_named(method) => any,
            (found, _) => found?,
        };
        let (target, similarity) = (Target::Task(&set.tasks[0]), Similarity::named(similarity)?);
        rank(&self, &Query { target, method: Some(method), similarity })?;
        self.beside.preferred = Some(preferred);
        Ok(self)
    }

    /// How its makers advise to rank by it.
    pub fn preferred(&self) -> Option<&Preferred> {
        self.beside.preferred.as_ref()
    }
}
