//! The ways to compare task embeddings, in one slice.

use crate::rows::Rows;
use crate::{EmbeddingSet, Error, Zoo};
use tupate_metrics::LowRank;
use tupate_tasks::{Aggregation, MethodSpec, ParameterSet, Values};

/// A way to compare two task embeddings. Greater is closer.
#[derive(Clone, Copy, Debug)]
pub struct Similarity {
    /// The name on the command line and in links.
    pub name: &'static str,
    /// One sentence for people.
    pub describe: &'static str,
    /// Whether it compares embeddings of any recipe; what is not universal
    /// refuses the others in words.
    pub universal: bool,
    compare: fn(&Scene<'_>) -> Result<Scores, Error>,
}

/// A score for each row, whatever for the target's own; `None` where it is undefined.
type Scores = Vec<Option<f64>>;

/// A target among the sources of one embedding set.
pub(crate) struct Scene<'a> {
    pub zoo: &'a Zoo,
    pub set: &'a EmbeddingSet,
    /// `[n, D]`.
    pub rows: &'a Rows,
    /// The row of the target, if it is a task of the set.
    pub own: Option<usize>,
    /// `[D]`.
    pub target: &'a [f32],
}

/// Every similarity. The first is the paper's and the default.
pub const SIMILARITIES: &[Similarity] = &[
    Similarity {
        name: "cosine",
        describe: "Cosine of the raw vectors, as in the paper.",
        universal: true,
        compare: |scene| Ok(scene.rows.cosines(scene.target)),
    },
    Similarity {
        name: "centred",
        describe: "Cosine after subtracting the zoo's mean: what a task has of its own.",
        universal: true,
        compare: |scene| {
            // The target stands among the rows, so that the mean is of all tasks.
            let mean = scene.rows.mean(scene.own, scene.target);
            Ok(scene.rows.cosines_about(&mean, scene.target))
        },
    },
    Similarity {
        name: "delta",
        describe: "Cosine of the change from the untrained parameters.",
        universal: true,
        compare: delta,
    },
    Similarity {
        name: "gauge",
        describe: "Cosine of LoRA's weight updates, which no change of basis moves.",
        universal: false,
        compare: gauge,
    },
];

impl Similarity {
    /// The similarity of this name.
    ///
    /// # Errors
    /// When there is none; the error lists them.
    pub fn named(name: &str) -> Result<&'static Self, Error> {
        SIMILARITIES.iter().find(|s| s.name == name).ok_or_else(|| {
            let known: Vec<_> = SIMILARITIES.iter().map(|s| s.name).collect();
            Error::Similarity(format!("no similarity {name}; there are {}", known.join(", ")))
        })
    }

    pub(crate) fn compare(&self, scene: &Scene<'_>) -> Result<Scores, Error> {
        (self.compare)(scene)
    }
}

fn delta(scene: &Scene<'_>) -> Result<Scores, Error> {
    if scene.set.recipe.values == Values::Delta {
        // The embeddings are changes already.
        return Ok(scene.rows.cosines(scene.target));
    }
    let initial = scene.zoo.initial(scene.set).ok_or_else(|| {
        Error::Similarity(format!(
            "{} carries no initial parameters, which delta needs; use cosine or centred",
            scene.set.key
        ))
    })?;
    Ok(scene.rows.cosines_about(initial, scene.target))
}

fn gauge(scene: &Scene<'_>) -> Result<Scores, Error> {
    let shape = factors(scene.zoo, scene.set)?;
    Ok(scene.rows.iter().map(|row| shape.cosine(scene.target, &row)).collect())
}

/// How the factors of LoRA lie in the embeddings of a set, or why they do not.
fn factors(zoo: &Zoo, set: &EmbeddingSet) -> Result<LowRank, Error> {
    let refuse = |why: String| Err(Error::Similarity(format!("gauge compares {why}")));
    let recipe = &set.recipe;
    let MethodSpec::Lora { rank, alpha, targets } = &recipe.method else {
        return refuse(format!("LoRA's factors, and {} is {}", set.key, recipe.method));
    };
    if !holds_factors(set) {
        let remedy = match zoo.sets().find(|set| holds_factors(set)) {
            Some(other) => format!("choose {}", other.key),
            None => "pack the runs with --recipe aggregation=flatten".into(),
        };
        return refuse(format!(
            "the factors of every layer, which {} no longer has; {remedy}",
            set.key
        ));
    }
    let encoder = &recipe.encoder;
    let shape = LowRank {
        rank: *rank,
        inputs: encoder.hidden_size,
        outputs: encoder.hidden_size,
        maps: encoder.layers.saturating_mul(targets.len()),
        scale: alpha / *rank as f64,
    };
    if shape.width() != Some(set.dim) || set.dim == 0 {
        return refuse(format!(
            "updates of square maps, such as query and value; the {} values of {} are no rank {rank} \
             factors of {} maps of width {} in {} layers",
            set.dim,
            set.key,
            targets.len(),
            encoder.hidden_size,
            encoder.layers
        ));
    }
    Ok(shape)
}

fn holds_factors(set: &EmbeddingSet) -> bool {
    let recipe = &set.recipe;
    matches!(recipe.method, MethodSpec::Lora { .. })
        && recipe.parameters == ParameterSet::All
        && recipe.aggregation == Aggregation::Flatten
        && recipe.values == Values::Absolute
        && recipe.projection.is_none()
}
