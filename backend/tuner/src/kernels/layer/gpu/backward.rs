//! From the gradient of the result to those of all that has one.

use super::super::parts::{
    ATTENTION_NORM, ATTENTION_OUTPUT, INTERMEDIATE, OUTPUT, OUTPUT_NORM, Part, QUERY,
};
use super::{Hidden, Kept, Sizes, Step};
use crate::kernels::gpu::{self, Argument, At, Kind, Machine, Values, Work};
use candle_core::Result;

/// Rows whose columns are summed at a time.
const GROUP: usize = 128;

/// The gradient of hidden states, `[M, H]`.
struct Gradient<M: Machine> {
    /// f32.
    past: Values<M>,
    /// What is to be added, in the kind of products.
    through: Option<Values<M>>,
}

/// From `dy`, `[M, H]`, the gradient of the result of all layers, that of their input, if
/// asked for. Those of what stands in step `i` are written to `of_standing` from
/// `places[i]` on. All f32.
///
/// # Errors
/// Those of the machine.
pub fn backward<M: Machine>(
    steps: &[Step<'_, M>],
    mut kept: Vec<Kept<M>>,
    dy: At,
    (of_standing, places): (At, &[usize]),
    of_input: bool,
) -> Result<Option<Values<M>>> {
    let mut gradient: Option<Gradient<M>> = None;
    for (i, step) in steps.iter().enumerate().rev() {
        let Some(kept) = kept.pop() else { candle_core::bail!("layer {i} kept nothing") };
        let (past, through) = match &gradient {
            None => (dy, None),
            Some(Gradient { past, through }) => {
                (step.at(past), through.as_ref().map(|values| step.at(values)))
            }
        };
        let to = of_standing.plus(places[i]);
        gradient = Some(step.backward(kept, (past, through), to, i > 0 || of_input)?);
    }
    match (gradient, steps.first()) {
        (Some(gradient), Some(first)) if of_input => first.sum(gradient).map(Some),
        _ => Ok(None),
    }
}

impl<M: Machine> Step<'_, M> {
    /// From the gradient of the result, in two halves, that of the input, if asked for.
    fn backward(
        &self,
        kept: Kept<M>,
        dy: (At, Option<At>),
        to: At,
        of_input: bool,
    ) -> Result<Gradient<M>> {
        let (m, h, i) = (self.sizes.rows(), self.sizes.hidden(), self.sizes.intermediate);
        let weights = self.weights;
        let Kept { projected, sums: [attended, output], slopes, low_rank } = kept;
        let total = self.floats(m * h)?;
        let of_output = self.norm_backward(&output, dy, 1, &total)?;
        self.of_bias(OUTPUT_NORM, &total, to)?;
        self.of_bias(OUTPUT, &of_output.exact, to)?;

        let of_inner = self.fresh(m * i)?;
        self.product(
            (m, i, h),
            of_output.operand(self).matrix(h),
            self.at(&weights.output).matrix(i),
            self.at(&of_inner).matrix(i),
        )?;
        let arguments =
            [self.at(&of_inner).into(), self.at(&slopes).into(), Argument::Long((m * i) as i64)];
        self.run("multiply", Work::Pairs(m * i), &arguments)?;
        self.of_bias(INTERMEDIATE, &of_inner, to)?;
        let through = self.fresh(m * h)?;
        self.product(
            (m, h, i),
            self.at(&of_inner).matrix(i),
            self.at(&weights.intermediate).matrix(h),
            self.at(&through).matrix(h),
        )?;
        let dy = (of_output.exact(self), Some(self.at(&through)));
        let of_attended = self.norm_backward(&attended, dy, 0, &total)?;
        self.of_bias(ATTENTION_NORM, &total, to)?;
        self.of_bias(ATTENTION_OUTPUT, &of_attended.exact, to)?;

        let of_context = through; // Its room is free.
        self.product(
            (m, h, h),
            of_attended.operand(self).matrix(h),
            self.at(&weights.attention_output).matrix(h),
            self.at(&of_context).matrix(h),
        )?;
        let of_projected = self.before_attention(&projected, &of_context, to)?; // [M, 3·H]
        if self.parts.biases[QUERY..QUERY + 3].iter().any(|bias| bias.learns) {
            let place = self.parts.biases[QUERY].place.start;
            self.column_sums(&of_projected, 3 * h, to.plus(place))?;
        }
        let of_low = match &low_rank {
            None => None,
            Some(low_rank) => Some(self.of_low_rank(low_rank, &of_projected, to)?),
        };
        if !of_input {
            return Ok(Gradient { past: of_attended.exact, through: None });
        }
        let of_x = of_context; // Free again.
        self.product(
            (m, h, 3 * h),
            self.at(&of_projected).matrix(3 * h),
            self.at(&weights.projections).matrix(h),
            self.at(&of_x).matrix(h),
        )?;
        if let (Some(of_low), Some((ranks, a))) = (&of_low, self.ranks()) {
            let (of_low, a) = (self.at(of_low).matrix(ranks), self.rounded.plus(a).matrix(h));
            self.scaled((m, h, ranks), of_low, a, self.at(&of_x).matrix(h), (1.0, 1.0))?;
        }
        Ok(Gradient { past: of_attended.exact, through: Some(of_x) })
    }

    /// The gradient of what went into the LayerNorm number `norm`; that of its result is
    /// summed up in `total`.
    fn norm_backward(
        &self,
        x: &Values<M>,
        (past, through): (At, Option<At>),
        norm: usize,
        total: &Values<M>,
    ) -> Result<Hidden<M>> {
        let (m, h) = (self.sizes.rows(), self.sizes.hidden());
        let dx = Hidden::new(self)?;
        self.run(
            "norm_backward",
            Work::Rows(m),
            &[
                self.at(x).into(),
                past.into(),
                through.into(),
                self.at(&self.weights.gammas[norm]).into(),
                self.weights.eps.into(),
                self.at(total).into(),
                dx.exact(self).into(),
                dx.operand(self).into(),
                Argument::Long(m as i64),
                Argument::Int(h as i32),
            ],
        )?;
        Ok(dx)
    }

    /// From the gradient of the context, `[M, H]`, those of queries, keys and values, side by
    /// side, `[M, 3·H]`; those of a prefix are written. With `P` the probabilities and `G`
    /// the gradient in a head: `dV = Pᵀ·G`, `dP = G·Vᵀ`, `dS = P∘(dP - Σ dP∘P)/√d`,
    /// `dQ = dS·K`, `dK = dSᵀ·Q`.
    fn before_attention(
        &self,
        projected: &[Values<M>; 3],
        of_context: &Values<M>,
        to: At,
    ) -> Result<Values<M>> {
        let Sizes { width, queries, prefix, .. } = self.sizes;
        let (m, h, keys) = (self.sizes.rows(), self.sizes.hidden(), self.sizes.keys());
        let square = self.sizes.all_heads() * queries * keys;
        let [query, key, value] = projected.each_ref().map(|values| self.at(values));
        let of_queries = |at: At| at.matrix(width).each(queries * width);
        let of_keys = |at: At| at.matrix(width).each(keys * width);
        let across = |values: &Values<M>| self.at(values).matrix(keys).each(queries * keys);

        let g = self.fresh(m * h)?;
        let mut arguments = vec![
            self.at(of_context).into(),
            Argument::Int(h as i32),
            None.into(),
            None.into(),
            None.into(),
            self.at(&g).into(),
            None.into(),
            None.into(),
        ];
        arguments.extend(self.heads(0));
        self.run("into_heads", Work::RowsOfBlocks(m, 1), &arguments)?;
        let g = of_queries(self.at(&g));

        let probabilities = self.probabilities(query, key)?;
        let all_keys = self.sizes.batch * keys * h;
        let [of_query, of_key, of_value] =
            [self.fresh(m * h)?, self.fresh(all_keys)?, self.fresh(all_keys)?];
        let to_value = of_keys(self.at(&of_value));
        self.in_heads((keys, width, queries), across(&probabilities).t(), g, to_value)?;
        let of_probabilities = self.floats(square)?;
        self.in_heads((queries, keys, width), g, of_keys(value).t(), across(&of_probabilities))?;
        let of_scores = self.fresh(square)?;
        self.run(
            "softmax_backward",
            Work::Rows(self.sizes.all_heads() * queries),
            &[
                self.at(&probabilities).into(),
                self.at(&of_probabilities).into(),
                self.at(&of_scores).into(),
                Argument::Long((self.sizes.all_heads() * queries) as i64),
                Argument::Int(keys as i32),
                (1.0 / (width as f32).sqrt()).into(),
            ],
        )?;
        let (to_query, to_key) = (of_queries(self.at(&of_query)), of_keys(self.at(&of_key)));
        self.in_heads((queries, width, keys), across(&of_scores), of_keys(key), to_query)?;
        self.in_heads((keys, width, queries), across(&of_scores).t(), of_queries(query), to_key)?;

        if let Some([of_keys, of_values]) = &self.parts.prefix {
            let place = |part: &Part| to.plus(part.place.start).into();
            let mut arguments = vec![
                self.at(&of_key).into(),
                self.at(&of_value).into(),
                place(of_keys),
                place(of_values),
            ];
            arguments.extend(self.heads(prefix));
            self.run("prefix_sums", Work::Times(prefix * h, 2), &arguments)?;
        }
        let rows = self.fresh(m * 3 * h)?;
        let heads = [&of_query, &of_key, &of_value].map(|values| self.at(values));
        self.rows_of(&heads, self.at(&rows), prefix)?;
        Ok(rows)
    }

    /// Writes the gradients of low-rank updates; gives that of what they have between their
    /// two products, `[M, R]`.
    fn of_low_rank(
        &self,
        [x, low]: &[Values<M>; 2],
        of_projected: &Values<M>,
        to: At,
    ) -> Result<Values<M>> {
        let (m, h) = (self.sizes.rows(), self.sizes.hidden());
        let Some((ranks, a)) = self.ranks() else { candle_core::bail!("no low-rank update") };
        let of_low = self.fresh(m * ranks)?;
        for (p, start, update) in self.low_rank() {
            let (rank, alpha) = (update.rank, update.scale);
            let dy = self.at(of_projected).plus(p * h).matrix(3 * h);
            let place = update.b.place.start;
            let b = self.rounded.plus(place).matrix(rank);
            let (low, of_b) = (self.at(low).plus(start).matrix(ranks), to.plus(place).matrix(rank));
            self.scaled((h, rank, m), dy.t(), low, of_b, (alpha, 0.0))?;
            let of_low = self.at(&of_low).plus(start).matrix(ranks);
            self.scaled((m, rank, h), dy, b, of_low, (alpha, 0.0))?;
        }
        let (of_all, x) = (self.at(&of_low).matrix(ranks), self.at(x).matrix(h));
        self.product((ranks, h, m), of_all.t(), x, to.plus(a).matrix(h))?;
        Ok(of_low)
    }

    /// The gradient of the bias in `place`, if it learns: the sum over the rows that it was
    /// added to.
    fn of_bias(&self, place: usize, of_rows: &Values<M>, to: At) -> Result<()> {
        let bias = &self.parts.biases[place];
        if !bias.learns {
            return Ok(());
        }
        self.column_sums(of_rows, bias.place.len(), to.plus(bias.place.start))
    }

    /// The sums of the columns of rows `[M, width]`, of groups of them first.
    fn column_sums(&self, rows: &Values<M>, width: usize, to: At) -> Result<()> {
        let m = self.sizes.rows();
        let groups = m.div_ceil(GROUP);
        let of_groups = self.floats(groups * width)?;
        let sum = |rows: At, sums: At, m: usize, groups: usize| {
            let arguments = [
                rows.into(),
                sums.into(),
                Argument::Long(m as i64),
                Argument::Int(width as i32),
                Argument::Int(m.div_ceil(groups).max(GROUP) as i32),
            ];
            let work = Work::Columns { width, groups };
            gpu::run(self.machine, ("column_sums", rows.kind), work, &arguments)
        };
        sum(self.at(rows), self.at(&of_groups), m, groups)?;
        sum(self.at(&of_groups), to, groups, 1)
    }

    /// Both halves of a gradient together.
    fn sum(&self, gradient: Gradient<M>) -> Result<Values<M>> {
        let Gradient { past, through } = gradient;
        let Some(through) = through else { return Ok(past) };
        let len = past.len();
        let sum = Values::new(self.machine, Kind::F32, len)?;
        let arguments = [
            self.at(&past).into(),
            self.at(&through).into(),
            self.at(&sum).into(),
            Argument::Long(len as i64),
        ];
        self.run("add", Work::Values(len), &arguments)?;
        Ok(sum)
    }
}
