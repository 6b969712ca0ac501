//! The ways to compare task embeddings, in one slice.

use crate::rows::{Against, Rows};
use crate::{EmbeddingSet, Error, Zoo};
use tupate_metrics::{LowRank, Square};
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
    /// Whether it looks at all tasks of a zoo, not only at the two.
    pub of_all: bool,
    angle: fn(&Scene<'_, '_>) -> Result<Angle, Error>,
}

/// What the cosine is taken of.
enum Angle {
    /// The vectors as they are.
    Raw,
    /// The vectors minus this one, `[D]`.
    About(Vec<f32>),
    /// The vectors minus the mean of all tasks.
    AboutMean,
    /// The weight updates that the vectors are factors of.
    Updates(LowRank),
}

/// A score for each row, whatever for the target's own; `None` where it is undefined.
type Scores = Vec<Option<f64>>;

/// A target among the sources of one embedding set.
pub(crate) struct Scene<'a, 'b> {
    pub zoo: &'a Zoo,
    pub set: &'a EmbeddingSet,
    /// `[n, D]`.
    pub rows: &'a Rows,
    /// The row of the target, if it is a task of the set.
    pub own: Option<usize>,
    /// `[D]`.
    pub target: &'b [f32],
    /// The mean of all tasks, `[D]`, where the rows are not all.
    pub mean: Option<&'b [f32]>,
}

/// Rows on their way to being compared with a target, a piece of a few milliseconds at a
/// time.
pub(crate) struct Comparison<'a> {
    rows: &'a Rows,
    own: Option<usize>,
    stage: Stage,
    /// The block, or of updates the row, that comes next.
    next: usize,
    scores: Scores,
}

enum Stage {
    /// The mean is being computed.
    Sum {
        sum: Vec<f64>,
        tasks: usize,
        target: Vec<f32>,
    },
    Compare(Against),
    Updates {
        shape: LowRank,
        target: Vec<f32>,
    },
}

impl Comparison<'_> {
    /// Does a piece; whether there is more to do.
    pub fn step(&mut self) -> bool {
        let at = self.next;
        self.next += 1;
        match &mut self.stage {
            Stage::Sum { sum, tasks, target } => {
                *tasks += self.rows.add_to(at, sum, self.own);
                if self.next == self.rows.blocks() {
                    let mean = |sum: &f64| (sum / *tasks as f64) as f32;
                    let mean: Vec<f32> = sum.iter().map(mean).collect();
                    self.stage = Stage::Compare(self.rows.about(&mean, target));
                    self.next = 0;
                }
                true
            }
            Stage::Compare(against) => {
                self.scores.extend(self.rows.cosines(at, against));
                self.next < self.rows.blocks()
            }
            Stage::Updates { shape, target } => {
                self.scores.push(shape.cosine(target, &self.rows.row(at)));
                self.next < self.rows.len()
            }
        }
    }

    /// What is subtracted from the rows, `[D]`, if that is known by now.
    fn origin(&self) -> Option<&[f32]> {
        match &self.stage {
            Stage::Compare(against) => against.origin(),
            Stage::Sum { .. } | Stage::Updates { .. } => None,
        }
    }

    /// The scores, when there is nothing more to do.
    pub fn scores(self) -> Scores {
        self.scores
    }

    /// All at once.
    pub fn finish(mut self) -> Scores {
        while self.step() {}
        self.scores
    }
}

/// Every similarity. The first is the paper's and the default.
pub const SIMILARITIES: &[Similarity] = &[
    Similarity {
        name: "cosine",
        describe: "Cosine of the raw vectors, as in the paper.",
        universal: true,
        of_all: false,
        angle: |_| Ok(Angle::Raw),
    },
    Similarity {
        name: "centred",
        describe: "Cosine after subtracting the zoo's mean: what a task has of its own.",
        universal: true,
        of_all: true,
        angle: |scene| {
            let known = |mean: &[f32]| Angle::About(mean.to_vec());
            Ok(scene.mean.map_or(Angle::AboutMean, known))
        },
    },
    Similarity {
        name: "delta",
        describe: "Cosine of the change from the untrained parameters.",
        universal: true,
        of_all: false,
        angle: delta,
    },
    Similarity {
        name: "gauge",
        describe: "Cosine of LoRA's weight updates, which no change of basis moves.",
        universal: false,
        of_all: false,
        angle: |scene| factors(scene.zoo, scene.set).map(Angle::Updates),
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

    /// Why there is no score.
    pub(crate) fn undefined(&self, target: &str, source: &str) -> Error {
        Error::Similarity(format!(
            "the {} similarity of {target} and {source} is undefined: one of the vectors is zero",
            self.name
        ))
    }

    pub(crate) fn compare<'a>(&self, scene: &Scene<'a, '_>) -> Result<Comparison<'a>, Error> {
        let (rows, target) = (scene.rows, scene.target);
        let stage = match (self.angle)(scene)? {
            Angle::Raw => Stage::Compare(rows.against(target)),
            Angle::About(origin) => Stage::Compare(rows.about(&origin, target)),
            // The target stands among the rows, so that the mean is of all tasks.
            Angle::AboutMean => Stage::Sum {
                sum: target.iter().copied().map(f64::from).collect(),
                tasks: 1,
                target: target.to_vec(),
            },
            Angle::Updates(shape) => Stage::Updates { shape, target: target.to_vec() },
        };
        Ok(Comparison { rows, own: scene.own, stage, next: 0, scores: Vec::new() })
    }

    /// Products of all pairs of some rows of a set, `[n, n]`, of which the cosines are
    /// this similarity; compared among all rows of the set.
    pub(crate) async fn products(
        &self,
        zoo: &Zoo,
        set: &EmbeddingSet,
        chosen: &[usize],
        pause: &impl AsyncFn(),
    ) -> Result<Square, Error> {
        let rows = &zoo.values(set).rows;
        // Any row will do: that of a task of the set changes nothing in it.
        let own = 0;
        let target = rows.row(own);
        let scene = Scene { zoo, set, rows, own: Some(own), target: &target, mean: None };
        let origin = match (self.angle)(&scene)? {
            Angle::Raw => vec![0.0; set.dim],
            Angle::About(origin) => origin,
            Angle::AboutMean => {
                let mut comparison = self.compare(&scene)?;
                while comparison.origin().is_none() {
                    comparison.step();
                    pause().await;
                }
                comparison.origin().map(<[f32]>::to_vec).unwrap_or_default()
            }
            Angle::Updates(shape) => return updates(&shape, rows, chosen, pause).await,
        };
        pause().await;
        let read = |row: usize, from: usize, part: &mut [f64]| {
            let values = rows.part(chosen[row], from..from + part.len());
            for ((to, x), o) in part.iter_mut().zip(values).zip(&origin[from..]) {
                *to = f64::from(x) - f64::from(*o);
            }
        };
        Ok(Square::products(chosen.len(), set.dim, read, pause).await)
    }
}

/// Inner products of weight updates.
async fn updates(
    shape: &LowRank,
    rows: &Rows,
    chosen: &[usize],
    pause: &impl AsyncFn(),
) -> Result<Square, Error> {
    let mut half: Vec<Vec<f64>> = Vec::with_capacity(chosen.len());
    for (i, &first) in chosen.iter().enumerate() {
        let own = rows.row(first);
        let mut products = Vec::with_capacity(i + 1);
        for &second in &chosen[..=i] {
            let product = shape.inner(&own, &rows.row(second));
            products.push(product.ok_or_else(|| {
                Error::Similarity("the updates are of other shapes than the recipe says".into())
            })?);
            pause().await;
        }
        half.push(products);
    }
    Ok(Square::of(chosen.len(), |i, j| half[i.max(j)][i.min(j)]))
}

fn delta(scene: &Scene<'_, '_>) -> Result<Angle, Error> {
    if scene.set.recipe.values == Values::Delta {
        // The embeddings are changes already.
        return Ok(Angle::Raw);
    }
    let initial = scene.zoo.initial(scene.set).ok_or_else(|| {
        Error::Similarity(format!(
            "{} carries no initial parameters, which delta needs; use cosine or centred",
            scene.set.key
        ))
    })?;
    Ok(Angle::About(initial.to_vec()))
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
