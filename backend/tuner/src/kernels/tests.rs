//! Every kernel against candle's own differentiable primitives, forward and
//! backward, and against finite differences.

use super::*;
use candle_core::{D, Device, Result, Tensor, Var};

fn var(shape: &[usize], seed: u32) -> Var {
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

fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

fn assert_close(a: &Tensor, b: &Tensor, what: &str) {
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

#[test]
fn gelu_is_gelu() {
    for [b, s, h] in SHAPES {
        check(&[b, s, h], |x| gelu(&(x * 4.0)?), |x| (x * 4.0)?.gelu_erf());
    }
}

#[test]
fn softmax_is_softmax() {
    for (b, n, s, k) in [(1, 1, 1, 1), (2, 3, 5, 7), (3, 4, 40, 40)] {
        let mask: Vec<f32> =
            (0..b * k).map(|i| if i % k > 0 && i % 3 == 0 { -1e9 } else { 0.0 }).collect();
        let mask = Tensor::from_vec(mask, (b, k), &Device::Cpu).unwrap();
        let reference = |x: &Tensor| {
            let x = (x * 0.3)?.broadcast_add(&mask.reshape((b, 1, 1, k))?)?;
            candle_nn::ops::softmax(&x, D::Minus1)
        };
        check(&[b, n, s, k], |x| masked_softmax(x, &mask, 0.3), reference);
    }
}

#[test]
fn masked_keys_get_nothing_and_rows_sum_to_one() {
    let scores = var(&[2, 2, 3, 4], 5);
    let mask =
        Tensor::new(&[[0.0_f32, 0.0, -1e9, -1e9], [0.0, -1e9, 0.0, -1e9]], &Device::Cpu).unwrap();
    let p = masked_softmax(scores.as_tensor(), &mask, 1.0).unwrap();
    for (row, p) in values(&p).chunks_exact(4).enumerate() {
        let hidden: [usize; 2] = if row < 6 { [2, 3] } else { [1, 3] };
        assert!(hidden.iter().all(|&k| p[k] < 1e-30), "{p:?}");
        assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
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
