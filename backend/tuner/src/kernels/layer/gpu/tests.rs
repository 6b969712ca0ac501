//! Layers as a GPU computes them, run by this processor, against the same from candle's
//! primitives: each value and every gradient.

use super::super::tests::{Given, SIZES, counted};
use super::super::{FrozenLayer, Precision, Tensor, layers};
use crate::kernels::Attention;
use crate::kernels::tests::{masked, values, var};
use candle_core::{Result, Var};

/// Of a result that counts as `counted` says: the result, and all gradients by their names.
fn computed(
    y: Result<Tensor>,
    given: &[Given],
    x: &Var,
    counted: &Tensor,
) -> Vec<(String, Vec<f32>)> {
    let y = (y.unwrap() * counted).unwrap();
    let store = y.sum_all().unwrap().backward().unwrap();
    let of = |var: &Var| values(store.get(var).expect("a gradient"));
    let mut all = vec![("result".to_owned(), values(&y)), ("gradient of x".to_owned(), of(x))];
    for (layer, given) in given.iter().enumerate() {
        for (name, var) in given.vars() {
            all.push((format!("gradient of {name} of layer {layer}"), of(var)));
        }
    }
    all
}

/// The layers part by part.
fn by_parts(given: &[Given], x: &Tensor, with: &Attention) -> Result<Tensor> {
    given.iter().try_fold(x.clone(), |y, given| given.by_parts(&y, with))
}

/// Compares the two for all sizes; a tensor may be off by `tolerance` of its length as a
/// vector.
fn check(precision: Precision, tolerance: f64) {
    let close = |own: &[f32], wanted: &[f32], what: &str| {
        assert_eq!(own.len(), wanted.len(), "{what}");
        let length = |values: &mut dyn Iterator<Item = f32>| {
            values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
        };
        let error = length(&mut own.iter().zip(wanted).map(|(own, wanted)| own - wanted));
        let whole = length(&mut wanted.iter().copied()).max(1e-3);
        assert!(error <= tolerance * whole, "{what} is off by {error} of {whole}");
    };
    for ((lengths, heads, width, prefix), biased) in
        SIZES.iter().flat_map(|sizes| [(*sizes, false), (*sizes, true)])
    {
        let h = heads * width;
        // Two layers; where scores have a bias, the biases of one are its own.
        let new = || Given::new(h, 2 * h + 3, prefix);
        let given = if biased { [new().with_own_biases(), new()] } else { [new(), new()] };
        let with = masked(lengths, heads, prefix, biased);
        let x = var(&[lengths.len(), *lengths.iter().max().unwrap(), h], 6);
        let counted = counted(lengths, h);
        let laid_out: Vec<FrozenLayer> = given
            .iter()
            .map(|given| FrozenLayer::emulated(&given.layer_weights(), precision).unwrap())
            .collect();
        let all: Vec<_> = laid_out.iter().zip(given.iter().map(Given::standing)).collect();
        let own = computed(layers(&x, &all, &with), &given, &x, &counted);
        let wanted = computed(by_parts(&given, &x, &with), &given, &x, &counted);
        for ((name, own), (_, wanted)) in own.iter().zip(&wanted) {
            if name.starts_with("gradient of bias 1 ") && prefix == 0 {
                // Added to all scores of a query, it is nothing to their softmax.
                continue;
            }
            let what = format!("{name} of {lengths:?}, {heads} heads, {prefix} in front");
            close(own, wanted, &what);
        }
    }
}

#[test]
fn in_f32_layers_are_their_parts() {
    check(Precision::F32, 1e-5);
}

#[test]
fn in_tf32_layers_differ_by_rounding() {
    check(Precision::Tf32, 1.2e-2);
}

#[test]
fn in_bf16_layers_differ_by_rounding() {
    check(Precision::Bf16, 0.1);
}
