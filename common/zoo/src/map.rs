//! A set of tasks as a picture: who is like whom, in which order, and where in a plane.

use crate::ensemble::{self, Fusion};
use crate::{EmbeddingSet, Error, Query, Similarity, Target, Zoo, rank_in_pieces};
use tupate_metrics::{
    Square, average_linkage, descending, optimal_order, plane, stress, tree_order,
};

/// Most tasks on a map. Of a larger set, it shows the target with those closest to it.
pub const MOST: usize = 1_000;

/// Most tasks whose order is the best one; more are in the order of the tree, which
/// takes no time.
pub const ORDERED_BEST: usize = 400;

/// What the map is to show.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// As in [`Query`]; of the fusions only those that have a similarity.
    pub method: Option<&'a str>,
    /// How embeddings are compared.
    pub similarity: &'a Similarity,
    /// The task that stays on a map that cannot show all.
    pub target: Option<&'a str>,
}

/// Places of tasks in a plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Places {
    /// Each task's place, `[n]`, in the order of the map's tasks.
    pub points: Vec<[f64; 2]>,
    /// What share of the variance each direction has.
    pub shares: [f64; 2],
    /// How far distances in the plane are from the true ones: stress-1, 0 for not at all
    /// and at most 1; `None` where all tasks fall together.
    pub stress: Option<f64>,
}

/// A map of a set of tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// The tasks' ids, in the order of the clustering: neighbours are alike.
    pub tasks: Vec<String>,
    /// Tasks of the set that are not on the map.
    pub left_out: usize,
    /// `[n, n]`: the similarities that rankings are made of; 1 on the diagonal.
    pub similarities: Square,
    /// Principal components of the vectors that are compared.
    pub components: Places,
    /// Classical scaling of the similarities: of the chords `√(2 − 2·similarity)`.
    pub scaling: Places,
}

impl Map {
    /// The other tasks, closest to `task` first, with ties as in a ranking.
    ///
    /// # Panics
    /// When there is no such task.
    pub fn nearest(&self, task: usize) -> Vec<usize> {
        let row = self.similarities.row(task);
        let mut order = descending(row, &self.tasks);
        order.retain(|&other| other != task);
        order
    }
}

/// Draws the map. What takes long awaits `pause` between pieces of a few milliseconds.
///
/// # Errors
/// As [`rank`](crate::rank), and for a fusion that has no similarity.
pub async fn map(zoo: &Zoo, wish: &Wish<'_>, pause: &impl AsyncFn()) -> Result<Map, Error> {
    let sets = sets(zoo, wish.method)?;
    let all = &sets[0].tasks;
    let shown: Vec<String> = if all.len() <= MOST {
        all.clone()
    } else {
        let target = wish.target.filter(|target| all.iter().any(|task| task == target));
        let target = target.unwrap_or(&all[0]);
        let query = Query {
            target: Target::Task(target),
            method: wish.method,
            similarity: wish.similarity,
        };
        let nearest =
            rank_in_pieces(zoo, &query, pause).await?.sources.into_iter().map(|source| source.task);
        std::iter::once(target.to_owned()).chain(nearest.take(MOST - 1)).collect()
    };
    pause().await;
    let (products, similarities) = compare(zoo, &sets, wish.similarity, &shown, pause).await?;
    let n = shown.len();
    pause().await;
    let distances = Square::of(n, |i, j| 1.0 - similarities.at(i, j));
    pause().await;
    let merges = average_linkage(&distances, pause).await;
    let order = match n <= ORDERED_BEST {
        true => optimal_order(&distances, &merges, pause).await,
        false => tree_order(n, &merges),
    };
    pause().await;
    let sorted = |matrix: &Square| Square::of(n, |i, j| matrix.at(order[i], order[j]));
    let products = sorted(&products);
    pause().await;
    let similarities = sorted(&similarities);
    pause().await;
    let length = |i, j| {
        let square: f64 = products.at(i, i) + products.at(j, j) - 2.0 * products.at(i, j);
        square.max(0.0).sqrt()
    };
    let components = places(&products, length, pause).await;
    let chord = |i, j| (2.0 - 2.0 * similarities.at(i, j)).max(0.0).sqrt();
    let scaling = places(&similarities, chord, pause).await;
    let tasks = order.iter().map(|&task| shown[task].clone()).collect();
    Ok(Map { tasks, left_out: all.len() - n, similarities, components, scaling })
}

async fn places(
    products: &Square,
    distance: impl Fn(usize, usize) -> f64,
    pause: &impl AsyncFn(),
) -> Places {
    let plane = plane(products, pause).await;
    let stress = stress(&plane.points, distance, pause).await;
    pause().await;
    Places { points: plane.points, shares: plane.shares, stress }
}

/// The sets that are compared: one, or those of an ensemble.
fn sets<'a>(zoo: &'a Zoo, method: Option<&str>) -> Result<Vec<&'a EmbeddingSet>, Error> {
    let fusion = method.and_then(Fusion::named);
    match fusion {
        Some((fusion, checkpoint)) if zoo.sets().all(|set| Some(set.key.as_str()) != method) => {
            if !fusion.is_mean {
                return Err(Error::Similarity(format!(
                    "{} fuses ranks and knows no similarity of two tasks, which a map is made of; \
                     choose ensemble or one method",
                    fusion.name
                )));
            }
            ensemble::members(zoo.sets(), fusion, checkpoint)
        }
        _ => Ok(vec![zoo.set(method)?]),
    }
}

/// Products of what is compared, and similarities, `[n, n]`; of several sets, the mean
/// of the similarities.
async fn compare(
    zoo: &Zoo,
    sets: &[&EmbeddingSet],
    similarity: &Similarity,
    tasks: &[String],
    pause: &impl AsyncFn(),
) -> Result<(Square, Square), Error> {
    let mut means: Option<Square> = None;
    for set in sets {
        let place = |task: &String| set.tasks.iter().position(|own| own == task);
        let chosen = tasks.iter().map(|task| place(task).ok_or_else(|| ensemble::lacks(set, task)));
        let chosen = chosen.collect::<Result<Vec<_>, _>>()?;
        let products = similarity.products(zoo, set, &chosen, pause).await?;
        pause().await;
        let cosines = products.cosines().ok_or_else(|| {
            let zero = (0..tasks.len()).find(|&task| {
                let square = products.at(task, task);
                square.is_nan() || square <= 0.0
            });
            Error::Similarity(format!(
                "the {} similarity to {} is undefined: its vector is zero",
                similarity.name,
                zero.map_or("one of the tasks", |task| &tasks[task])
            ))
        })?;
        if sets.len() == 1 {
            return Ok((products, cosines));
        }
        let share = 1.0 / sets.len() as f64;
        means = Some(Square::of(tasks.len(), |i, j| {
            means.as_ref().map_or(0.0, |means| means.at(i, j)) + share * cosines.at(i, j)
        }));
    }
    // The mean cosine is the product of the unit vectors one after the other.
    let means = means.expect("an ensemble has members");
    Ok((means.clone(), means))
}
