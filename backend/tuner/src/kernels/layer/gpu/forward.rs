//! From hidden states to hidden states.

use super::super::parts::{ATTENTION_NORM, ATTENTION_OUTPUT, INTERMEDIATE, OUTPUT, OUTPUT_NORM};
use super::{Hidden, Kept, Sizes, Step};
use crate::kernels::gpu::{self, Argument, At, Kind, Machine, Values, Work};
use candle_core::Result;

/// What a layer makes of hidden states before attention.
struct Projected<M: Machine> {
    /// Queries `[B, N, S, d]`, keys and values `[B, N, K, d]`.
    heads: [Values<M>; 3],
    /// What low-rank updates have between their two products, `[M, R]`.
    low: Option<Values<M>>,
}

/// The result of all layers, `[M, H]`, from `x`, `[M, H]`, both f32, and what the backward
/// pass needs, if there will be one.
///
/// # Errors
/// Those of the machine.
pub fn forward<M: Machine>(
    steps: &[Step<'_, M>],
    x: At,
    keep: bool,
) -> Result<(Values<M>, Vec<Kept<M>>)> {
    let (mut kept, mut hidden) = (Vec::new(), None);
    for step in steps {
        let input = match hidden.take() {
            Some(input) => input,
            None => step.first(x)?,
        };
        let (output, of_step) = step.forward(input, keep)?;
        kept.extend(of_step);
        hidden = Some(output);
    }
    match hidden {
        Some(hidden) => Ok((hidden.exact, kept)),
        None => candle_core::bail!("there are no layers"),
    }
}

impl<M: Machine> Step<'_, M> {
    /// The hidden states before the first layer.
    fn first(&self, x: At) -> Result<Hidden<M>> {
        let hidden = Hidden::new(self)?;
        let len = hidden.exact.len();
        let copy = |kind, to: At| {
            let arguments = [x.into(), to.into(), Argument::Long(len as i64)];
            gpu::run(self.machine, ("cast", kind), Work::Values(len), &arguments)
        };
        copy(Kind::F32, hidden.exact(self))?;
        if let Some(rounded) = &hidden.rounded {
            copy(self.weights.kind, self.at(rounded))?;
        }
        Ok(hidden)
    }

    fn forward(&self, x: Hidden<M>, keep: bool) -> Result<(Hidden<M>, Option<Kept<M>>)> {
        let (m, h, i) = (self.sizes.rows(), self.sizes.hidden(), self.sizes.intermediate);
        let weights = self.weights;
        let Projected { heads: projected, low } = self.project(&x)?;
        let context = self.context(&projected)?; // [M, H]
        let attended = self.fresh(m * h)?;
        self.product(
            (m, h, h),
            self.at(&context).matrix(h),
            self.at(&weights.attention_output).matrix(h).t(),
            self.at(&attended).matrix(h),
        )?;
        let (between, sum) = self.add_norm(&x, &attended, [ATTENTION_OUTPUT, ATTENTION_NORM], 0)?;

        let inner = self.fresh(m * i)?;
        self.product(
            (m, i, h),
            between.operand(self).matrix(h),
            self.at(&weights.intermediate).matrix(h).t(),
            self.at(&inner).matrix(i),
        )?;
        let slopes = if keep { Some(self.fresh(m * i)?) } else { None };
        self.run(
            "gelu",
            Work::Pairs(m * i),
            &[
                self.at(&inner).into(),
                self.bias_at(INTERMEDIATE).into(),
                slopes.as_ref().map(|slopes| self.at(slopes)).into(),
                Argument::Long((m * i) as i64),
                Argument::Int(i as i32),
            ],
        )?;
        let output = attended; // Its room is free.
        self.product(
            (m, h, i),
            self.at(&inner).matrix(i),
            self.at(&weights.output).matrix(i).t(),
            self.at(&output).matrix(h),
        )?;
        let (y, last_sum) = self.add_norm(&between, &output, [OUTPUT, OUTPUT_NORM], 1)?;

        let kept = slopes.map(|slopes| Kept {
            projected,
            sums: [sum, last_sum],
            slopes,
            low_rank: low.map(|low| [x.into_operand(), low]),
        });
        Ok((y, kept))
    }

    /// Queries, keys and values of `x`.
    fn project(&self, x: &Hidden<M>) -> Result<Projected<M>> {
        let Sizes { batch, prefix, .. } = self.sizes;
        let (m, h, keys) = (self.sizes.rows(), self.sizes.hidden(), self.sizes.keys());
        let rows = self.fresh(m * 3 * h)?;
        let (x, y) = (x.operand(self).matrix(h), self.at(&rows));
        let weights = self.at(&self.weights.projections).matrix(h);
        self.product((m, 3 * h, h), x, weights.t(), y.matrix(3 * h))?;
        let low = match self.ranks() {
            None => None,
            Some((ranks, a)) => {
                let low = self.fresh(m * ranks)?;
                let (a, at) = (self.rounded.plus(a).matrix(h), self.at(&low));
                self.product((m, ranks, h), x, a.t(), at.matrix(ranks))?;
                for (p, start, update) in self.low_rank() {
                    let b = self.rounded.plus(update.b.place.start).matrix(update.rank);
                    let (low, y) = (at.plus(start).matrix(ranks), y.plus(p * h).matrix(3 * h));
                    self.scaled((m, h, update.rank), low, b.t(), y, (update.scale, 1.0))?;
                }
                Some(low)
            }
        };
        let own = self.fresh(m * h)?;
        let [key, value] = [self.fresh(batch * keys * h)?, self.fresh(batch * keys * h)?];
        let [of_keys, of_values] = match &self.parts.prefix {
            None => [None, None],
            Some(parts) => parts.each_ref().map(|part| Some(self.standing.plus(part.place.start))),
        };
        let mut arguments = vec![
            y.into(),
            Argument::Int(3 * h as i32),
            self.projection_biases().into(),
            of_keys.into(),
            of_values.into(),
        ];
        arguments.extend([&own, &key, &value].map(|values| Argument::from(self.at(values))));
        arguments.extend(self.heads(prefix));
        self.run("into_heads", Work::RowsOfBlocks(batch * keys, 3), &arguments)?;
        Ok(Projected { heads: [own, key, value], low })
    }

    /// What attention makes of queries, keys and values, `[M, H]`.
    fn context(&self, projected: &[Values<M>; 3]) -> Result<Values<M>> {
        let Sizes { width, queries, .. } = self.sizes;
        let (keys, len) = (self.sizes.keys(), self.sizes.rows() * self.sizes.hidden());
        let [query, key, value] = projected.each_ref().map(|values| self.at(values));
        let probabilities = self.probabilities(query, key)?;
        let in_heads = self.fresh(len)?;
        self.in_heads(
            (queries, width, keys),
            self.at(&probabilities).matrix(keys).each(queries * keys),
            value.matrix(width).each(keys * width),
            self.at(&in_heads).matrix(width).each(queries * width),
        )?;
        let context = self.fresh(len)?;
        self.rows_of(&[self.at(&in_heads)], self.at(&context), 0)?;
        Ok(context)
    }

    /// Heads as rows again, one, or three of queries, keys and values side by side.
    pub(super) fn rows_of(&self, heads: &[At], rows: At, prefix: usize) -> Result<()> {
        let h = self.sizes.hidden();
        let each = |i: usize| Argument::from(heads.get(i).copied());
        let mut arguments =
            vec![each(0), each(1), each(2), rows.into(), Argument::Int((heads.len() * h) as i32)];
        arguments.extend(self.heads(prefix));
        self.run("from_heads", Work::RowsOfBlocks(self.sizes.rows(), heads.len()), &arguments)
    }

    /// The LayerNorm number `norm` of `x + y + bias`, and that sum; the places of the bias
    /// and of the shift are given.
    fn add_norm(
        &self,
        x: &Hidden<M>,
        y: &Values<M>,
        [bias, beta]: [usize; 2],
        norm: usize,
    ) -> Result<(Hidden<M>, Values<M>)> {
        let (m, h) = (self.sizes.rows(), self.sizes.hidden());
        let (sum, out) = (self.floats(m * h)?, Hidden::new(self)?);
        self.run(
            "add_norm",
            Work::Rows(m),
            &[
                x.exact(self).into(),
                self.at(y).into(),
                self.bias_at(bias).into(),
                self.at(&self.weights.gammas[norm]).into(),
                self.bias_at(beta).into(),
                self.weights.eps.into(),
                self.at(&sum).into(),
                out.exact(self).into(),
                out.operand(self).into(),
                Argument::Long(m as i64),
                Argument::Int(h as i32),
            ],
        )?;
        Ok((out, sum))
    }
}
