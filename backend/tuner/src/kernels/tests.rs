//! Every kernel against candle's own differentiable primitives, forward and
//! backward, and against finite differences.

use super::*;
use candle_core::{D, Device, Result, Tensor, Var};

pub(super) fn var(shape: &[usize], seed: u32) -> Var {
    let n: usize = shape.iter().product();
    let mut state = seed.wrapping_mul(2_654_435_769).wrapping_add(1);
    let values: Vec<f32> = (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    Var::from_tensor(&tensor).unwrap()
}

pub(super) fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

pub(super) fn assert_close(a: &Tensor, b: &Tensor, what: &str) {
    assert_eq!(a.dims(), b.dims(), "{what}");
    let (a, b) = (values(a), values(b));
    let scale = b.iter().fold(1e-3_f32, |m, v| m.max(v.abs()));
    for (i, (x, y)) in a.iter().zip(&b).enumerate() {
        assert!((x - y).abs() <= 3e-6 * scale, "{what} at {i}: {x} against {y}");
    }
}

/// Compares value and gradient of `own` with those of `reference`, the output
/// weighted so that every element counts differently.
fn check(
    shape: &[usize],
    own: impl Fn(&Tensor) -> Result<Tensor>,
    reference: impl Fn(&Tensor) -> Result<Tensor>,
) {
    let x = var(shape, 7);
    let (y, wanted) = (own(x.as_tensor()).unwrap(), reference(x.as_tensor()).unwrap());
    assert_close(&y, &wanted, "forward");
    let weight = var(y.dims(), 11).as_tensor().detach();
    let grad = |y: &Tensor| {
        let loss = (y * &weight).unwrap().sum_all().unwrap();
        loss.backward().unwrap().get(&x).expect("x has a gradient").clone()
    };
    assert_close(&grad(&y), &grad(&wanted), "backward");
}

// Sizes that do not divide into lanes, and one large enough for threads.
const SHAPES: [[usize; 3]; 3] = [[1, 1, 5], [2, 3, 33], [4, 64, 96]];

#[test]
fn linear_is_linear() {
    for [b, s, h] in SHAPES {
        let weight = var(&[7, h], 1).as_tensor().detach();
        let bias = var(&[7], 2).as_tensor().detach();
        let reference = |x: &Tensor| x.broadcast_matmul(&weight.t()?)?.broadcast_add(&bias);
        check(&[b, s, h], |x| linear(x, &weight, Some(&bias)), reference);
        check(&[b, s, h], |x| linear(x, &weight, None), |x| x.broadcast_matmul(&weight.t()?));
    }
}

#[test]
fn the_bias_of_a_linear_map_gets_its_gradient_where_it_learns() {
    for [b, s, h] in SHAPES {
        let weight = var(&[7, h], 1).as_tensor().detach();
        let bias = var(&[7], 2);
        let reference =
            |x: &Tensor| x.broadcast_matmul(&weight.t()?)?.broadcast_add(bias.as_tensor());
        let own = |x: &Tensor| linear(x, &weight, Some(bias.as_tensor()));
        check(&[b, s, h], own, reference);
        let x = var(&[b, s, h], 6);
        let counted = var(&[b, s, 7], 8).as_tensor().detach();
        let gradient = |y: Result<Tensor>| {
            let loss = (y.unwrap() * &counted).unwrap().sum_all().unwrap();
            loss.backward().unwrap().get(&bias).expect("the bias has a gradient").clone()
        };
        assert_close(&gradient(own(&x)), &gradient(reference(&x)), "gradient of the bias");
        assert!(linear(&x, &weight, Some(x.as_tensor())).is_err(), "a bias of another length");
    }
}

#[test]
fn layer_norm_is_layer_norm() {
    for [b, s, h] in SHAPES {
        let gamma = var(&[h], 3).as_tensor().detach();
        let beta = var(&[h], 4).as_tensor().detach();
        let reference = |x: &Tensor| {
            let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
            let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
            centred
                .broadcast_div(&(variance + 1e-12)?.sqrt()?)?
                .broadcast_mul(&gamma)?
                .broadcast_add(&beta)
        };
        check(&[b, s, h], |x| layer_norm(x, &gamma, &beta, 1e-12), reference);
    }
}

#[test]
fn a_bias_is_added_to_every_row_and_gets_their_sum() {
    for [b, s, h] in SHAPES {
        let bias = var(&[h], 5);
        check(&[b, s, h], |x| add_bias(x, bias.as_tensor()), |x| x.broadcast_add(bias.as_tensor()));
        let x = var(&[b, s, h], 6);
        let weight = var(&[b, s, h], 8).as_tensor().detach();
        let grad = |y: &Tensor| {
            let loss = (y * &weight).unwrap().sum_all().unwrap();
            loss.backward().unwrap().get(&bias).expect("the bias has a gradient").clone()
        };
        let own = grad(&add_bias(x.as_tensor(), bias.as_tensor()).unwrap());
        let wanted = grad(&x.as_tensor().broadcast_add(bias.as_tensor()).unwrap());
        assert_close(&own, &wanted, "gradient of the bias");
    }
}

/// The sum of squares of a gradient that a step has seen.
fn squares(gradient: &Tensor) -> f64 {
    let zeros = || gradient.zeros_like().unwrap();
    let (parameter, first, second) = (zeros(), zeros(), zeros());
    let tensor =
        Moving { parameter: &parameter, gradient: Some(gradient), first: &first, second: &second };
    let step = Step {
        learning_rate: 1e-3,
        weight_decay: 0.0,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        longest: 1.0,
        count: 1,
    };
    descend(&[tensor], &step).unwrap().read().unwrap()[0].expect("there is a gradient")
}

#[test]
fn squares_are_summed_over_any_number_of_values() {
    for n in [1, 15, 16, 17, 1000, (1 << 14) + 5] {
        let x = var(&[n], 3);
        let wanted: f64 = values(&x).iter().map(|v| f64::from(*v).powi(2)).sum();
        let own = squares(&x);
        assert!((own - wanted).abs() <= 1e-6 * wanted, "{n}: {own} against {wanted}");
    }
    let bad = Tensor::new(&[1.0_f32, f32::NAN], &Device::Cpu).unwrap();
    assert!(squares(&bad).is_nan());
}

#[test]
fn gelu_is_gelu() {
    for [b, s, h] in SHAPES {
        check(&[b, s, h], |x| gelu(&(x * 4.0)?), |x| (x * 4.0)?.gelu_erf());
    }
}

/// The same attention from candle's primitives alone.
fn by_parts(query: &Tensor, key: &Tensor, value: &Tensor, with: &Attention) -> Result<Tensor> {
    let (b, s, h) = query.dims3()?;
    let (n, keys) = (with.heads, key.dim(1)?);
    let split = |x: &Tensor| x.reshape((b, (), n, h / n))?.transpose(1, 2)?.contiguous();
    let scores = (split(query)?.matmul(&split(key)?.t()?)? / ((h / n) as f64).sqrt())?;
    let mut scores = scores.broadcast_add(&with.mask.reshape((b, 1, 1, keys))?)?;
    if let Some(bias) = &with.bias {
        scores = scores.broadcast_add(bias)?;
    }
    let probabilities = candle_nn::ops::softmax(&scores, D::Minus1)?;
    probabilities.matmul(&split(value)?)?.transpose(1, 2)?.reshape((b, s, h))
}

/// Lengths, heads, width of a head, prefix: one and many, with and without padding.
const ATTENTIONS: [(&[usize], usize, usize, usize); 5] = [
    (&[1], 1, 1, 0),
    (&[5, 3], 3, 7, 0),
    (&[4, 1, 6], 2, 5, 3),
    (&[40, 33, 40], 4, 32, 0),
    (&[70, 70], 2, 64, 20),
];

/// An attention over sequences of these lengths, the first masked in its middle, too.
pub(super) fn masked(lengths: &[usize], heads: usize, prefix: usize, biased: bool) -> Attention {
    let s = *lengths.iter().max().unwrap();
    let mask = lengths.iter().enumerate().flat_map(|(i, &length)| {
        (0..prefix + s).map(move |k| {
            let hole = i == 0 && k > 0 && k + 1 < prefix + length && k % 3 == 0;
            if k < prefix + length && !hole { 0.0 } else { MASKED }
        })
    });
    let mask: Vec<f32> = mask.collect();
    let mask = Tensor::from_vec(mask, (lengths.len(), prefix + s), &Device::Cpu).unwrap();
    let bias = biased.then(|| var(&[1, heads, s, prefix + s], 17).as_tensor().detach());
    Attention { heads, mask, bias }
}

#[test]
fn attention_is_attention() {
    for (lengths, heads, width, prefix) in ATTENTIONS {
        for biased in [false, true] {
            let (b, s, h) = (lengths.len(), *lengths.iter().max().unwrap(), heads * width);
            let with = masked(lengths, heads, prefix, biased);
            let query = var(&[b, s, h], 1);
            let (key, value) = (var(&[b, prefix + s, h], 2), var(&[b, prefix + s, h], 3));
            // The context of padding has no meaning: it counts nothing.
            let real = lengths.iter().flat_map(|&l| (0..s).map(move |i| f32::from(i < l)));
            let real = Tensor::from_vec(real.collect::<Vec<f32>>(), (b, s, 1), &Device::Cpu);
            let weight = var(&[b, s, h], 4).as_tensor().broadcast_mul(&real.unwrap()).unwrap();
            let weight = weight.detach();
            let run = |f: fn(&Tensor, &Tensor, &Tensor, &Attention) -> Result<Tensor>| {
                let context = f(&query, &key, &value, &with).unwrap();
                let counted = (&context * &weight).unwrap();
                let gradients = counted.sum_all().unwrap().backward().unwrap();
                let of = |var: &Var| gradients.get(var).expect("a gradient").clone();
                [counted, of(&query), of(&key), of(&value)]
            };
            let names = ["context", "query", "key", "value"];
            for ((own, wanted), name) in run(attention).iter().zip(&run(by_parts)).zip(names) {
                assert_close(own, wanted, &format!("{name} of {lengths:?}, {heads} heads"));
            }
        }
    }
}

#[test]
fn a_bias_that_learns_gets_its_gradient() {
    let bias = var(&[1, 2, 4, 4], 5);
    let with = Attention { bias: Some(bias.as_tensor().clone()), ..masked(&[4, 3], 2, 0, false) };
    let x = var(&[2, 4, 6], 6);
    let weight = var(&[2, 4, 6], 7).as_tensor().detach();
    let gradient = |y: Tensor| {
        let loss = (y * &weight).unwrap().sum_all().unwrap();
        loss.backward().unwrap().get(&bias).expect("a gradient").clone()
    };
    let own = gradient(attention(&x, &x, &x, &with).unwrap());
    assert_close(&own, &gradient(by_parts(&x, &x, &x, &with).unwrap()), "gradient of the bias");
}

#[test]
fn masked_keys_are_not_seen() {
    let with = masked(&[5, 3], 1, 0, false);
    let (x, values) = (var(&[2, 5, 4], 8), var(&[2, 5, 4], 9));
    let context = attention(&x, &x, &values, &with).unwrap();
    let hidden = with.mask.lt(0.0).unwrap().to_dtype(candle_core::DType::F32).unwrap();
    let other = (values.as_tensor() + hidden.unsqueeze(2).unwrap().broadcast_mul(&x)).unwrap();
    assert_close(&attention(&x, &x, &other, &with).unwrap(), &context, "context");
}

#[test]
fn kernels_take_views_that_are_not_contiguous() {
    let x = var(&[3, 5, 33], 9);
    let view = x.as_tensor().transpose(0, 1).unwrap();
    let weight = var(&[4, 33], 1).as_tensor().detach();
    let expected = view.contiguous().unwrap().broadcast_matmul(&weight.t().unwrap()).unwrap();
    assert_close(&linear(&view, &weight, None).unwrap(), &expected, "linear of a view");
    assert_close(&gelu(&view).unwrap(), &view.gelu_erf().unwrap(), "gelu of a view");
}
