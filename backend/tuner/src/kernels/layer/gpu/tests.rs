//! Layers as a GPU computes them, run by this processor, against the same from candle's
//! primitives: each value and every gradient.

use super::super::parts::Part;
use super::super::tests::{EPS, Given, SIZES, counted};
use super::super::{Parts, Tensor};
use super::*;
use crate::kernels::Attention;
use crate::kernels::gpu::Emulated;
use crate::kernels::tests::{masked, values, var};
use candle_core::Var;
use std::collections::BTreeMap;

/// A result, and gradients by what they are of.
type Computed = (Vec<f32>, BTreeMap<String, Vec<f32>>);

fn put(values: &[f32], kind: Kind) -> Values<Emulated> {
    round(&Emulated, At::floats(values.as_ptr() as u64), kind, values.len()).unwrap()
}

fn floats(values: &Values<Emulated>) -> Vec<f32> {
    let bytes = values.bytes(&Emulated).unwrap();
    bytes.chunks_exact(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap())).collect()
}

fn weights(given: &Given, kind: Kind, rounding: Rounding) -> Weights<Emulated> {
    let of = |weights: &[Tensor]| put(&weights.iter().flat_map(values).collect::<Vec<_>>(), kind);
    let [_, _, _, attention_output, intermediate, output] = &given.weights;
    let alone = std::slice::from_ref;
    Weights {
        projections: of(&given.weights[..3]),
        attention_output: of(alone(attention_output)),
        intermediate: of(alone(intermediate)),
        output: of(alone(output)),
        gammas: given.gammas.each_ref().map(|gamma| put(&values(gamma), Kind::F32)),
        eps: EPS,
        biases: put(&given.biases().into_iter().flat_map(values).collect::<Vec<_>>(), Kind::F32),
        kind,
        rounding,
    }
}

/// Where each of [`Given::vars`] is.
fn places(parts: &Parts) -> Vec<(String, &Part)> {
    let low_rank = parts.low_rank.iter().flatten().flat_map(|update| [&update.a, &update.b]);
    let all: [(&str, Vec<&Part>); 3] = [
        ("bias", parts.biases.iter().filter(|bias| bias.learns).collect()),
        ("low rank", low_rank.collect()),
        ("prefix", parts.prefix.iter().flatten().collect()),
    ];
    let named = |(what, parts): (&str, Vec<_>)| {
        let what = what.to_owned();
        parts.into_iter().enumerate().map(move |(i, part)| (format!("{what} {i}"), part))
    };
    all.into_iter().flat_map(named).collect()
}

/// What the layers make of `x`, and the gradients where each value counts as `counted`
/// says.
fn on_gpu(
    given: &[Given],
    x: &Tensor,
    with: &Attention,
    counted: &Tensor,
    (kind, rounding): (Kind, Rounding),
) -> Computed {
    let (batch, queries, h) = x.dims3().unwrap();
    let intermediate = given[0].weights[4].dim(0).unwrap();
    let weights: Vec<_> = given.iter().map(|given| weights(given, kind, rounding)).collect();
    let (mut packed, mut flat, mut starts, mut end) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for given in given {
        let (parts, len) = Parts::pack(&given.standing(), (h, intermediate), &mut flat).unwrap();
        packed.push(parts);
        starts.push(end);
        end += len;
    }
    let standing: Vec<f32> = flat.iter().flat_map(values).collect();
    let exact = put(&standing, Kind::F32);
    let rounded = put(&standing, kind);
    let of_standing = Values::zeros(&Emulated, Kind::F32, standing.len()).unwrap();
    let [mask, x, dy] = [&with.mask, x, counted].map(|t| put(&values(t), Kind::F32));
    let bias = with.bias.as_ref().map(|bias| put(&values(bias), Kind::F32));
    let steps: Vec<_> = weights
        .iter()
        .zip(&packed)
        .zip(&starts)
        .map(|((weights, parts), &start)| Step {
            machine: &Emulated,
            weights,
            sizes: Sizes {
                batch,
                heads: with.heads,
                width: h / with.heads,
                queries,
                prefix: parts.prefix_length(h),
                intermediate,
            },
            parts,
            standing: exact.at(&Emulated).plus(start),
            rounded: rounded.at(&Emulated).plus(start),
            mask: mask.at(&Emulated),
            bias: bias.as_ref().map(|bias| bias.at(&Emulated)),
        })
        .collect();
    let (without, none) = forward::forward(&steps, x.at(&Emulated), false).unwrap();
    assert!(none.is_empty(), "nothing is kept");
    let (y, kept) = forward::forward(&steps, x.at(&Emulated), true).unwrap();
    assert_eq!(floats(&without), floats(&y));
    let to = (of_standing.at(&Emulated), &starts[..]);
    let dx = backward::backward(&steps, kept, dy.at(&Emulated), to, true).unwrap();
    let of_standing = floats(&of_standing);
    let mut gradients = BTreeMap::from([("x".to_owned(), floats(&dx.expect("asked for")))]);
    for (layer, (parts, start)) in packed.iter().zip(&starts).enumerate() {
        for (name, part) in places(parts) {
            let gradient = part.of(&of_standing[*start..]).to_vec();
            gradients.insert(format!("{name} of layer {layer}"), gradient);
        }
    }
    (floats(&y), gradients)
}

/// The same, part by part.
fn by_parts(given: &[Given], x: &Var, with: &Attention, counted: &Tensor) -> Computed {
    let mut y = x.as_tensor().clone();
    for given in given {
        y = given.by_parts(&y, with).unwrap();
    }
    let store = (&y * counted).unwrap().sum_all().unwrap().backward().unwrap();
    let of = |var: &Var| values(store.get(var).expect("a gradient"));
    let mut gradients = BTreeMap::from([("x".to_owned(), of(x))]);
    for (layer, given) in given.iter().enumerate() {
        for (name, var) in given.vars() {
            gradients.insert(format!("{name} of layer {layer}"), of(var));
        }
    }
    (values(&y), gradients)
}

/// Compares the two for all sizes; a tensor may be off by `tolerance` of its length as a
/// vector.
fn check(kind: (Kind, Rounding), tolerance: f64) {
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
        let (own, gradients) = on_gpu(&given, &x, &with, &counted, kind);
        let (wanted, wanted_gradients) = by_parts(&given, &x, &with, &counted);
        let what = format!("of {lengths:?}, {heads} heads, {prefix} in front");
        let real = values(&counted);
        let counts = |y: &[f32]| y.iter().zip(&real).map(|(y, c)| y * c).collect::<Vec<_>>();
        close(&counts(&own), &counts(&wanted), &format!("result {what}"));
        assert!(gradients.keys().eq(wanted_gradients.keys()));
        for (name, wanted) in &wanted_gradients {
            if name.starts_with("bias 1 ") && prefix == 0 {
                // Added to all scores of a query, it is nothing to their softmax.
                continue;
            }
            close(&gradients[name], wanted, &format!("gradient of {name} {what}"));
        }
    }
}

#[test]
fn in_f32_layers_are_their_parts() {
    check((Kind::F32, Rounding::None), 1e-5);
}

#[test]
fn in_tf32_layers_differ_by_rounding() {
    check((Kind::F32, Rounding::Tf32), 1.2e-2);
}

#[test]
fn in_bf16_layers_differ_by_rounding() {
    check((Kind::Bf16, Rounding::None), 0.1);
}
