//! A layer against the same from candle's primitives, each value and every gradient.

use super::super::tests::{assert_close, masked, values, var};
use super::super::{Precision, attention, layer_norm};
use super::*;
use candle_core::{DType, Device, Var};

/// Everything of a layer: frozen weights, and what learns.
pub(super) struct Given {
    weights: [Tensor; 6],
    gammas: [Tensor; 2],
    biases: Vec<Var>,
    /// Whether the biases are the layer's own, and do not learn.
    own_biases: bool,
    /// `A` and `B` at queries and values.
    low_rank: Vec<Var>,
    prefix: Vec<Var>,
}

const EPS: f32 = 1e-6;
const SCALE: f64 = 0.75;

impl Given {
    pub fn new(h: usize, i: usize, prefix: usize) -> Self {
        let small = |shape: &[usize], seed| (var(shape, seed).as_tensor() * 0.3).unwrap().detach();
        let weights = [[h, h], [h, h], [h, h], [h, h], [i, h], [h, i]];
        let weights: Vec<_> = weights.iter().zip(20..).map(|(w, seed)| small(w, seed)).collect();
        let widths = [h, h, h, h, h, i, h, h];
        let low_rank = [[3, h], [h, 3], [3, h], [h, 3]];
        Self {
            weights: weights.try_into().unwrap(),
            gammas: [30, 31].map(|seed| (small(&[h], seed) + 1.0).unwrap()),
            biases: widths.iter().zip(40..).map(|(w, seed)| var(&[*w], seed)).collect(),
            own_biases: false,
            low_rank: low_rank.iter().zip(50..).map(|(w, seed)| var(w, seed)).collect(),
            prefix: match prefix {
                0 => Vec::new(),
                p => [60, 61].map(|seed| var(&[p, h], seed)).into(),
            },
        }
    }

    pub fn layer_weights(&self) -> LayerWeights<'_> {
        let [query, key, value, attention_output, intermediate, output] = self.weights.each_ref();
        LayerWeights {
            projections: [query, key, value],
            attention_output,
            intermediate,
            output,
            gammas: self.gammas.each_ref(),
            eps: EPS,
            biases: self.biases(),
        }
    }

    fn layer(&self, precision: Precision) -> FrozenLayer {
        FrozenLayer::new(&self.layer_weights(), precision).unwrap()
    }

    pub fn standing(&self) -> Standing<'_> {
        let low_rank =
            |i: usize| LowRank { a: &self.low_rank[i], b: &self.low_rank[i + 1], scale: SCALE };
        Standing {
            biases: (!self.own_biases).then(|| self.biases()),
            low_rank: [Some(low_rank(0)), None, Some(low_rank(2))],
            prefix: match &self.prefix[..] {
                [key, value] => Some((key, value)),
                _ => None,
            },
        }
    }

    /// The biases, whosever they are.
    fn biases(&self) -> [&Tensor; 8] {
        std::array::from_fn(|i| self.biases[i].as_tensor())
    }

    /// The same, its biases its own.
    pub fn with_own_biases(self) -> Self {
        Self { own_biases: true, ..self }
    }

    /// The same layer, part by part.
    pub fn by_parts(&self, x: &Tensor, with: &Attention) -> Result<Tensor> {
        let standing = self.standing();
        let linear = |x: &Tensor, weight: usize, bias: usize| {
            x.broadcast_matmul(&self.weights[weight].t()?)?.broadcast_add(&self.biases[bias])
        };
        let mut projected = Vec::new();
        for p in 0..3 {
            let y = linear(x, p, p)?;
            projected.push(match &standing.low_rank[p] {
                Some(update) => (y + update.of(x)?)?,
                None => y,
            });
        }
        if let Some((key, value)) = standing.prefix {
            for (own, prefix) in projected[1..].iter_mut().zip([key, value]) {
                let (p, h) = prefix.dims2()?;
                let prefix = prefix.unsqueeze(0)?.broadcast_as((own.dim(0)?, p, h))?;
                *own = Tensor::cat(&[&prefix, own], 1)?;
            }
        }
        let context = attention(&projected[0], &projected[1], &projected[2], with)?;
        let norm = |x: Tensor, i: usize, beta: usize| {
            let gamma = &self.gammas[i];
            let normed = layer_norm(&x, gamma, &gamma.zeros_like()?, EPS)?;
            normed.broadcast_add(&self.biases[beta])
        };
        let hidden = norm((linear(&context, 3, 3)? + x)?, 0, 4)?;
        let output = linear(&linear(&hidden, 4, 5)?.gelu_erf()?, 5, 6)?;
        norm((output + hidden)?, 1, 7)
    }

    /// All that learns, and what it is.
    pub fn vars(&self) -> Vec<(String, &Var)> {
        let mut all = Vec::new();
        let learning = if self.own_biases { &[] } else { &self.biases[..] };
        for (what, vars) in
            [("bias", learning), ("low rank", &self.low_rank[..]), ("prefix", &self.prefix[..])]
        {
            all.extend(vars.iter().enumerate().map(|(i, var)| (format!("{what} {i}"), var)));
        }
        all
    }
}

/// Counts real tokens, each value differently, `[B, S, H]`.
pub(super) fn counted(lengths: &[usize], h: usize) -> Tensor {
    let s = *lengths.iter().max().unwrap();
    let real = lengths.iter().flat_map(|&length| (0..s).map(move |i| f32::from(i < length)));
    let real = Tensor::from_vec(real.collect::<Vec<f32>>(), (lengths.len(), s, 1), &Device::Cpu);
    let weight = var(&[lengths.len(), s, h], 4);
    weight.as_tensor().broadcast_mul(&real.unwrap()).unwrap().detach()
}

/// Lengths, heads, width of a head, prefix.
pub(super) const SIZES: [(&[usize], usize, usize, usize); 4] =
    [(&[1], 1, 3, 0), (&[5, 3], 3, 7, 0), (&[4, 1, 6], 2, 5, 3), (&[70, 64, 70, 11], 4, 16, 9)];

/// What layers are given.
struct Case {
    h: usize,
    prefix: usize,
    with: Attention,
    x: Var,
    counted: Tensor,
}

/// That of several blocks of rows.
fn largest() -> Case {
    let (lengths, heads, width, prefix) = SIZES[3];
    let h = heads * width;
    Case {
        h,
        prefix,
        with: masked(lengths, heads, prefix, false),
        x: var(&[lengths.len(), *lengths.iter().max().unwrap(), h], 6),
        counted: counted(lengths, h),
    }
}

/// One layer.
fn one(
    layer: &FrozenLayer,
    x: &Tensor,
    standing: Standing<'_>,
    with: &Attention,
) -> Result<Tensor> {
    layers(x, &[(layer, standing)], with)
}

#[test]
fn a_layer_is_its_parts() {
    if !Precision::F32.available(&Device::Cpu) {
        return;
    }
    for ((lengths, heads, width, prefix), biased) in
        SIZES.iter().flat_map(|sizes| [(*sizes, false), (*sizes, true)])
    {
        let (b, s, h) = (lengths.len(), *lengths.iter().max().unwrap(), heads * width);
        let given = Given::new(h, 2 * h + 3, prefix);
        let layer = given.layer(Precision::F32);
        let with = masked(lengths, heads, prefix, biased);
        let x = var(&[b, s, h], 6);
        let counted = counted(lengths, h);
        let run = |y: Result<Tensor>| {
            let counted = (y.unwrap() * &counted).unwrap();
            let gradients = counted.sum_all().unwrap().backward().unwrap();
            (counted, gradients)
        };
        let (own, gradients) = run(one(&layer, &x, given.standing(), &with));
        let (wanted, wanted_gradients) = run(given.by_parts(&x, &with));
        let what = format!("of {lengths:?}, {heads} heads, {prefix} in front");
        assert_close(&own, &wanted, &format!("result {what}"));
        for (name, var) in given.vars().into_iter().chain([("x".to_owned(), &x)]) {
            let [own, wanted] = [&gradients, &wanted_gradients].map(|g| g.get(var).unwrap());
            if name == "bias 1" && prefix == 0 {
                // Added to all scores of a query, it is nothing to their softmax.
                assert!(values(own).iter().all(|v| v.abs() < 1e-5), "{name} {what}: {own}");
                continue;
            }
            assert_close(own, wanted, &format!("gradient of {name} {what}"));
        }
        // An input that needs no gradient, and no gradient at all.
        let still = x.as_tensor().detach();
        let (again, without) = run(one(&layer, &still, given.standing(), &with));
        assert_eq!(values(&again), values(&own));
        for (name, var) in given.vars() {
            let [own, wanted] = [&without, &gradients].map(|g| values(g.get(var).unwrap()));
            assert_eq!(own, wanted, "{name} {what}");
        }
        let frozen = given.biases().map(Tensor::detach);
        let detached = |vars: &[Var]| vars.iter().map(|var| var.detach()).collect::<Vec<_>>();
        let (low_rank, in_front) = (detached(&given.low_rank), detached(&given.prefix));
        let low = |i: usize| LowRank { a: &low_rank[i], b: &low_rank[i + 1], scale: SCALE };
        for biases in [Some(frozen.each_ref()), None] {
            let standing = Standing {
                biases,
                low_rank: [Some(low(0)), None, Some(low(2))],
                prefix: (prefix > 0).then(|| (&in_front[0], &in_front[1])),
            };
            let y = one(&layer, &still, standing, &with).unwrap();
            assert_eq!(values(&(y * &counted).unwrap()), values(&own), "nothing kept, {what}");
        }
        // Biases of the layer's own are nobody's to learn, and the rest learns as before.
        let given = given.with_own_biases();
        let (again, without) = run(one(&layer, &x, given.standing(), &with));
        assert_eq!(values(&again), values(&own));
        for (name, var) in given.vars().into_iter().chain([("x".to_owned(), &x)]) {
            let [own, wanted] = [&without, &gradients].map(|g| values(g.get(var).unwrap()));
            assert_eq!(own, wanted, "{name} with own biases {what}");
        }
    }
}

#[test]
fn layers_together_are_layers_one_after_the_other() {
    if !Precision::F32.available(&Device::Cpu) {
        return;
    }
    let Case { h, prefix, with, x, counted } = largest();
    let given = [1, 2, 3].map(|i| Given::new(h, 2 * h + i, prefix));
    let weights = given.each_ref().map(|given| given.layer(Precision::F32));
    let gradients = |y: &Tensor| {
        let loss = (y * &counted).unwrap().sum_all().unwrap();
        let gradients = loss.backward().unwrap();
        let of = |var: &Var| values(gradients.get(var).expect("a gradient"));
        let vars = given.iter().flat_map(Given::vars);
        vars.map(|(_, var)| of(var)).chain([of(&x)]).collect::<Vec<_>>()
    };
    let standing = given.each_ref().map(Given::standing);
    let all: Vec<_> = weights.iter().zip(standing).collect();
    let together = layers(&x, &all, &with).unwrap();
    let mut apart = x.as_tensor().clone();
    for (weights, given) in weights.iter().zip(&given) {
        apart = one(weights, &apart, given.standing(), &with).unwrap();
    }
    assert_eq!(values(&together), values(&apart));
    assert_eq!(gradients(&together), gradients(&apart));
    let again = together.sum_all().unwrap().backward().expect_err("what was kept is gone");
    assert!(again.to_string().contains("there was one before"), "{again}");
}

/// Eight bits of precision: a few per cent of the greatest value.
#[test]
fn in_bf16_a_layer_differs_by_rounding() {
    if !Precision::Bf16.available(&Device::Cpu) {
        return;
    }
    let Case { h, prefix, with, x, counted } = largest();
    let given = Given::new(h, 2 * h + 3, prefix);
    let [single, half] = [Precision::F32, Precision::Bf16].map(|precision| {
        let y = one(&given.layer(precision), &x, given.standing(), &with);
        let loss = (y.unwrap() * &counted).unwrap().sum_all().unwrap();
        loss.backward().unwrap()
    });
    for (name, var) in given.vars().into_iter().chain([("x".to_owned(), &x)]) {
        let [single, half] = [&single, &half].map(|g| values(g.get(var).unwrap()));
        let highest = single.iter().fold(0.0_f32, |highest, v| highest.max(v.abs()));
        for (i, (single, half)) in single.iter().zip(&half).enumerate() {
            let error = (single - half).abs() / highest;
            assert!(error < 0.05, "gradient of {name} at {i}: {half}, in f32 {single}");
        }
    }
}

#[test]
fn a_layer_does_not_depend_on_the_number_of_threads() {
    if !Precision::F32.available(&Device::Cpu) {
        return;
    }
    let lengths = [50; 11];
    let given = Given::new(16, 40, 5);
    let (layer, with) = (given.layer(Precision::F32), masked(&lengths, 2, 5, false));
    let x = var(&[lengths.len(), 50, 16], 6);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let y = one(&layer, &x, given.standing(), &with).unwrap();
            let gradients = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let of = |var: &Var| values(gradients.get(var).unwrap());
            let all: Vec<_> = given.vars().into_iter().map(|(_, var)| of(var)).collect();
            (values(&y), of(&x), all)
        })
    };
    assert_eq!(run(1), run(5));
}

#[test]
fn what_does_not_fit_a_layer_is_an_error() {
    if !Precision::F32.available(&Device::Cpu) {
        return;
    }
    let given = Given::new(6, 10, 2);
    let (layer, with) = (given.layer(Precision::F32), masked(&[4, 3], 2, 2, false));
    let x = var(&[2, 4, 6], 6);
    let tried = |x: &Tensor, standing: Standing<'_>, with: &Attention| {
        one(&layer, x, standing, with).map(drop).unwrap_err().to_string()
    };
    assert!(one(&layer, &x, given.standing(), &with).is_ok());
    let other = Attention { heads: 4, ..with.clone() };
    assert!(tried(&x, given.standing(), &other).contains("6 with 4 heads"));
    let no_prefix = Standing { prefix: None, ..given.standing() };
    assert!(tried(&x, no_prefix, &with).contains("the mask [2, 6]"));
    let mut biases = given.biases();
    biases[5] = biases[0];
    let short = Standing { biases: Some(biases), ..given.standing() };
    assert!(tried(&x, short, &with).contains("[6] where [10] belongs"));
    assert!(tried(&var(&[2, 4, 5], 6), given.standing(), &with).contains("[2, 4, 5]"));
    let wide = x.as_tensor().to_dtype(DType::F64).unwrap();
    assert!(one(&layer, &wide, given.standing(), &with).is_err());
}
