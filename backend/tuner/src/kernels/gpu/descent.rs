//! A step of AdamW for all tensors at once: three kernels, however many tensors there are,
//! and nobody waits for the norm of the gradient.

use super::{Argument, At, Machine, Work};
use crate::kernels::descent::Step;
use candle_core::{Result, bail};

/// Values of a block; `PIECE` in `kernels.cu`.
const PIECE: usize = 4096;

/// A tensor that learns, its gradient and its moments.
#[derive(Clone, Copy, Debug)]
pub struct Learning {
    pub parameter: At,
    pub gradient: At,
    pub first: At,
    pub second: At,
    pub len: usize,
}

/// The sum of squares of each gradient, in a machine's memory.
pub struct Sums<M: Machine> {
    room: M::Room,
    count: usize,
    /// When they are there.
    when: M::Moment,
}

impl<M: Machine> Sums<M> {
    /// Waits for them, and for nothing that was asked for since.
    ///
    /// # Errors
    /// Those of the machine.
    pub fn read(&self, machine: &M) -> Result<Vec<f64>> {
        let bytes = machine.read(&self.room, &self.when)?;
        let sums = bytes.as_chunks::<8>().0.iter().map(|b| f64::from_ne_bytes(*b));
        Ok(sums.take(self.count).collect())
    }
}

/// Asks for a step. Where the gradient as a whole is not a number, nothing moves.
///
/// # Errors
/// Those of the machine.
pub fn descend<M: Machine>(machine: &M, tensors: &[Learning], step: &Step) -> Result<Sums<M>> {
    let (mut words, mut pieces) = (Vec::with_capacity(6 * tensors.len()), 0);
    for Learning { parameter, gradient, first, second, len } in tensors {
        words.extend([parameter, gradient, first, second].map(|at| at.address));
        words.extend([*len as u64, pieces as u64]);
        pieces += len.div_ceil(PIECE);
    }
    let count = tensors.len();
    let sums = machine.zeros(8 * (count + 1))?;
    if pieces == 0 {
        return Ok(Sums { room: sums, count, when: machine.moment()? });
    }
    if tensors.iter().any(|tensor| tensor.len == 0) {
        bail!("a tensor without values was to learn");
    }
    let table = machine.put(&words)?;
    let of_pieces = machine.room(4 * pieces)?;
    let [table, of_pieces, to] =
        [&table, &of_pieces, &sums].map(|room| Argument::Address(machine.address(room)));
    let (count_, blocks) = (Argument::Int(count as i32), Work::Blocks(pieces).blocks()?);
    machine.run("squares", blocks, &[table, count_, of_pieces])?;
    let all = [table, count_, of_pieces, Argument::Long(pieces as i64), to];
    machine.run("all_squares", (1, 1), &all)?;
    let mut arguments = vec![table, count_, to];
    let numbers = [
        step.longest,
        step.keep(),
        step.learning_rate,
        step.beta1,
        step.beta2,
        1.0 - step.beta1,
        1.0 - step.beta2,
        step.correction(step.beta1),
        step.correction(step.beta2),
        step.epsilon,
    ];
    arguments.extend(numbers.map(|number| Argument::Float(number as f32)));
    let when = machine.moment()?;
    machine.run("adamw", blocks, &arguments)?;
    Ok(Sums { room: sums, count, when })
}

#[cfg(test)]
mod tests {
    use super::super::{Emulated, Kind, Values};
    use super::*;
    use crate::kernels::descent::{Moving, descend as on_cpu};
    use crate::kernels::tests::{values, var};
    use candle_core::{Tensor, Var};

    const STEP: Step = Step {
        learning_rate: 1e-2,
        weight_decay: 0.1,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        longest: 1.0,
        count: 1,
    };

    /// Two steps of tensors of these lengths, by the processor and as a GPU takes them:
    /// parameters, moments and squares.
    fn both(lengths: &[usize], step: Step, gradient: fn(Var) -> Tensor) -> [Vec<Vec<f32>>; 2] {
        let tensor = |len: usize, seed| var(&[len], seed);
        let zeros = |len: usize| tensor(len, 0).zeros_like().unwrap();
        let parameters: Vec<Var> = lengths.iter().map(|len| tensor(*len, 1)).collect();
        let moments: Vec<[Tensor; 2]> =
            lengths.iter().map(|len| [zeros(*len), zeros(*len)]).collect();
        let gradients: Vec<Tensor> =
            lengths.iter().zip(2..).map(|(len, seed)| gradient(tensor(*len, seed))).collect();
        let address = |values: &Vec<f32>| At::floats(values.as_ptr() as u64);
        let copies: Vec<[Vec<f32>; 4]> = (0..lengths.len())
            .map(|i| {
                let [first, second] = &moments[i];
                [&parameters[i], &gradients[i], first, second].map(|t: &Tensor| values(t))
            })
            .collect();
        let rooms: Vec<[Values<Emulated>; 4]> = copies
            .iter()
            .map(|all| {
                all.each_ref().map(|values| {
                    let room = Values::new(&Emulated, Kind::F32, values.len()).unwrap();
                    let arguments = [
                        address(values).into(),
                        room.at(&Emulated).into(),
                        Argument::Long(values.len() as i64),
                    ];
                    let work = Work::Values(values.len());
                    super::super::run(&Emulated, ("cast", Kind::F32), work, &arguments).unwrap();
                    room
                })
            })
            .collect();
        let mut squares = [Vec::new(), Vec::new()];
        for count in 1..=2 {
            let step = Step { count, ..step };
            let moving: Vec<Moving<'_>> = (0..lengths.len())
                .map(|i| Moving {
                    parameter: &parameters[i],
                    gradient: Some(&gradients[i]),
                    first: &moments[i][0],
                    second: &moments[i][1],
                })
                .collect();
            squares[0] = on_cpu(&moving, &step).unwrap().read().unwrap();
            let learning: Vec<Learning> = rooms
                .iter()
                .zip(lengths)
                .map(|(rooms, &len)| {
                    let [parameter, gradient, first, second] =
                        rooms.each_ref().map(|room| room.at(&Emulated));
                    Learning { parameter, gradient, first, second, len }
                })
                .collect();
            let sums = descend(&Emulated, &learning, &step).unwrap();
            squares[1] = sums.read(&Emulated).unwrap().into_iter().map(Some).collect();
        }
        let squares = squares.map(|all| all.into_iter().map(|s| s.unwrap() as f32).collect());
        let [here, there] = squares;
        let mut own: Vec<Vec<f32>> = vec![here];
        let mut on_gpu: Vec<Vec<f32>> = vec![there];
        for i in 0..lengths.len() {
            let [first, second] = &moments[i];
            own.extend([&parameters[i], first, second].map(|t: &Tensor| values(t)));
            let [parameter, _, first, second] = &rooms[i];
            on_gpu.extend([parameter, first, second].map(|room| {
                let bytes = room.bytes(&Emulated).unwrap();
                bytes.as_chunks::<4>().0.iter().map(|b| f32::from_ne_bytes(*b)).collect()
            }));
        }
        [own, on_gpu]
    }

    #[test]
    fn a_step_on_a_gpu_is_a_step() {
        // One value, a piece, more than one, and the gradient long and short.
        let lengths = [1, 4096, 3, 9001, 70];
        for gradient in [(|g: Var| g.as_tensor().detach()) as fn(Var) -> Tensor, |g| {
            (g.as_tensor() * 1e-3).unwrap().detach()
        }] {
            let [own, on_gpu] = both(&lengths, STEP, gradient);
            for (i, (own, on_gpu)) in own.iter().zip(&on_gpu).enumerate() {
                assert_eq!(own.len(), on_gpu.len());
                for (own, on_gpu) in own.iter().zip(on_gpu) {
                    let close = (own - on_gpu).abs() <= 2e-6 * own.abs().max(1e-3);
                    assert!(close, "{i}: {own}, on a GPU {on_gpu}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_a_number_moves_nothing() {
        let lengths = [5, 5000];
        let bad = |g: Var| {
            let mut values = values(&g);
            values[3] = f32::NAN;
            Tensor::new(values, g.device()).unwrap()
        };
        let [own, on_gpu] = both(&lengths, STEP, bad);
        for all in [own, on_gpu] {
            assert!(all[0].iter().all(|square| square.is_nan()));
            for (len, of_tensor) in lengths.iter().zip(all[1..].chunks(3)) {
                assert_eq!(of_tensor[0], values(&var(&[*len], 1)));
                assert!(of_tensor[1..].iter().flatten().all(|moment| *moment == 0.0));
            }
        }
    }
}
