//! DataSize: the more training examples a source has, the better.

use super::Matrix;
use crate::Error;

/// Sources by number of training examples, the same order for every target.
///
/// # Errors
/// When a target has no source but itself.
pub fn datasize(targets: Vec<String>, sizes: &[(String, u64)]) -> Result<Matrix, Error> {
    let sources = sizes.iter().map(|(id, _)| id.clone()).collect();
    Matrix::new(targets, sources, |_, others| {
        Ok(others.iter().map(|&s| sizes[s].1 as f64).collect())
    })
}

/// The full training size of a task in the paper (Appendix A).
///
/// # Errors
/// When the paper does not have the task.
pub fn paper_size(id: &str) -> Result<u64, Error> {
    let size = tupate_tasks::task(id).and_then(|task| task.paper_train_size);
    size.map(u64::from).ok_or_else(|| {
        Error::Setting(format!(
            "--paper-sizes: the paper has no task {id}; `tupate task list` shows the sizes that it \
             states"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_largest_comes_first() {
        let ids = ["rte", "snli", "mnli", "squad_v2"].map(str::to_owned);
        let sizes = ids.clone().map(|id| {
            let size = paper_size(&id).unwrap();
            (id, size)
        });
        let matrix = datasize(ids.to_vec(), &sizes).unwrap();
        let first: Vec<_> = matrix.rankings().iter().map(|r| r.sources[0].task.clone()).collect();
        assert_eq!(first, ["snli", "mnli", "snli", "snli"]);
        assert_eq!(matrix.scores()[0], [None, Some(570e3), Some(393e3), Some(162e3)]);
        let error = paper_size("sample_topic").unwrap_err().to_string();
        assert!(error.contains("no task sample_topic"), "{error}");
    }
}
