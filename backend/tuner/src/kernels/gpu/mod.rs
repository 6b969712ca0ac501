//! What a GPU does for the kernels, as little as they need of it: room, products, and the
//! kernels of `kernels.cu`. [`Machine`] is the seam. Behind it stands a GPU, or, in tests,
//! this processor: it runs those very kernels, and multiplies as cuBLAS is documented to.
//!
//! All work of a machine happens in the order in which it was asked for. Room that is
//! given up is used again no sooner than what was asked of it before is done.

mod descent;
#[cfg(feature = "cuda")]
mod driver;
#[cfg(test)]
mod emulated;

#[cfg(feature = "cuda")]
pub use driver::{Driver, open};
#[cfg(test)]
pub use emulated::Emulated;

#[cfg(feature = "cuda")]
pub use descent::{Learning, Sums, descend};

use candle_core::op::BackpropOp;
use candle_core::{Result, Shape, Storage, Tensor, bail};

/// Threads of a block; `THREADS` in `kernels.cu`.
const THREADS: usize = 256;

/// Rows of a block whose warps have a row each; `WARPS` in `kernels.cu`.
const ROWS: usize = 8;

/// Columns of a block; `LANES` in `kernels.cu`.
const COLUMNS: usize = 32;

/// The type of values in a machine's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    F32,
    Bf16,
}

impl Kind {
    /// Bytes of a value.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }

    /// How names of kernels for it end.
    fn suffix(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

/// How exactly values of [`Kind::F32`] are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// As they are.
    None,
    /// To ten bits behind the first, on the way.
    Tf32,
}

/// Where values lie in a machine's memory.
#[derive(Clone, Copy, Debug)]
pub struct At {
    pub address: u64,
    pub kind: Kind,
}

impl At {
    /// f32 at `address`.
    pub fn floats(address: u64) -> Self {
        Self { address, kind: Kind::F32 }
    }

    /// So many values on.
    pub fn plus(self, values: usize) -> Self {
        Self { address: self.address + (values * self.kind.size()) as u64, ..self }
    }

    /// Them as a matrix, row after row of `leading` values.
    pub fn matrix(self, leading: usize) -> Matrix {
        Matrix { at: self, leading, transposed: false, apart: 0 }
    }
}

/// A matrix, or one in every item of a batch, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    at: At,
    /// Values from a row to the next.
    leading: usize,
    /// Whether its transpose is meant.
    transposed: bool,
    /// Values from an item of the batch to the next.
    apart: usize,
}

impl Matrix {
    /// Its transpose.
    pub fn t(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    /// One in every item of a batch, so many values apart.
    pub fn each(self, apart: usize) -> Self {
        Self { apart, ..self }
    }
}

/// `c = alpha·a·b + beta·c`, `a` `[m, k]`, `b` `[k, n]`, `c` `[m, n]`, in every item of a
/// batch.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    pub sizes: (usize, usize, usize),
    pub batch: usize,
    pub a: Matrix,
    pub b: Matrix,
    pub c: Matrix,
    pub alpha: f32,
    pub beta: f32,
    pub rounding: Rounding,
}

/// The same as `cublasGemmStridedBatchedEx` takes it: matrices lie there column by column.
/// What lies row by row is their transpose, and `cᵀ = bᵀ·aᵀ`.
#[derive(Clone, Copy, Debug)]
struct ColumnMajor {
    m: usize,
    n: usize,
    k: usize,
    a: Matrix,
    b: Matrix,
    c: Matrix,
}

impl Product {
    fn column_major(&self) -> ColumnMajor {
        let (m, n, k) = self.sizes;
        debug_assert!(!self.c.transposed);
        ColumnMajor { m: n, n: m, k, a: self.b, b: self.a, c: self.c }
    }
}

/// What a kernel is given.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    Address(u64),
    Int(i32),
    Long(i64),
    Float(f32),
}

impl From<At> for Argument {
    fn from(at: At) -> Self {
        Self::Address(at.address)
    }
}

/// None is the address that kernels take for "there is none".
impl From<Option<At>> for Argument {
    fn from(at: Option<At>) -> Self {
        Self::Address(at.map_or(0, |at| at.address))
    }
}

impl From<f32> for Argument {
    fn from(value: f32) -> Self {
        Self::Float(value)
    }
}

/// What multiplies and runs kernels.
pub trait Machine {
    /// Room for values, given up when dropped.
    type Room: Send + Sync;

    /// A moment between two things that were asked for.
    type Moment: Send;

    /// Now: behind all that was asked for.
    ///
    /// # Errors
    /// Those of the machine.
    fn moment(&self) -> Result<Self::Moment>;

    /// Room for `bytes`, of no known content.
    ///
    /// # Errors
    /// When there is not so much.
    fn room(&self, bytes: usize) -> Result<Self::Room>;

    /// The same, all zero.
    ///
    /// # Errors
    /// When there is not so much.
    fn zeros(&self, bytes: usize) -> Result<Self::Room>;

    /// Room with these words in it, for a kernel to read.
    ///
    /// # Errors
    /// When there is not so much.
    fn put(&self, words: &[u64]) -> Result<Self::Room>;

    /// Where it is.
    fn address(&self, room: &Self::Room) -> u64;

    /// The content of `room`, which nothing that was asked for since `when` changes: waits
    /// for what was asked for before.
    ///
    /// # Errors
    /// Those of that work.
    fn read(&self, room: &Self::Room, when: &Self::Moment) -> Result<Vec<u8>>;

    /// Asks for a product.
    ///
    /// # Errors
    /// When it is not understood.
    fn multiply(&self, product: &Product) -> Result<()>;

    /// Asks for `kernel` in `blocks`.
    ///
    /// # Errors
    /// When there is no such kernel.
    fn run(&self, kernel: &str, blocks: (u32, u32), arguments: &[Argument]) -> Result<()>;
}

/// A machine whose memory holds candle's tensors.
pub trait Tensors: Machine + Sized + Send + Sync + 'static {
    /// That of a tensor.
    ///
    /// # Errors
    /// When it is not in a memory of such a machine.
    fn of(tensor: &Tensor) -> Result<Self>;

    /// Where the values of a contiguous f32 tensor are. It must be there until all work
    /// with it was asked for.
    ///
    /// # Errors
    /// When it is not contiguous, not f32, or elsewhere.
    fn at(&self, tensor: &Tensor) -> Result<At>;

    /// f32 values as candle's.
    ///
    /// # Errors
    /// When they are not f32.
    fn storage(&self, values: Values<Self>) -> Result<Storage>;

    /// The same as a tensor that nothing is behind.
    ///
    /// # Errors
    /// When they are not f32.
    fn tensor(&self, values: Values<Self>, shape: &Shape) -> Result<Tensor> {
        let storage = self.storage(values)?;
        Ok(Tensor::from_storage(storage, shape.clone(), BackpropOp::none(), false))
    }
}

/// Values in the memory of a machine, which are its own.
pub struct Values<M: Machine> {
    room: M::Room,
    kind: Kind,
    len: usize,
}

impl<M: Machine> Values<M> {
    /// Room for `len` values.
    ///
    /// # Errors
    /// When there is not so much.
    pub fn new(machine: &M, kind: Kind, len: usize) -> Result<Self> {
        Ok(Self { room: machine.room(len * kind.size())?, kind, len })
    }

    /// The same, all zero.
    ///
    /// # Errors
    /// When there is not so much.
    pub fn zeros(machine: &M, kind: Kind, len: usize) -> Result<Self> {
        Ok(Self { room: machine.zeros(len * kind.size())?, kind, len })
    }

    /// Where they are.
    pub fn at(&self, machine: &M) -> At {
        At { address: machine.address(&self.room), kind: self.kind }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Their bytes.
    ///
    /// # Errors
    /// Those of the machine.
    pub fn bytes(&self, machine: &M) -> Result<Vec<u8>> {
        machine.read(&self.room, &machine.moment()?)
    }
}

/// How a kernel's work is cut into blocks.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// A thread for each value.
    Values(usize),
    /// A thread for every two values.
    Pairs(usize),
    /// A thread for each value, so many times.
    Times(usize, usize),
    /// A warp for each row.
    Rows(usize),
    /// A block for each row, so many times.
    RowsOfBlocks(usize, usize),
    /// A thread for each column of each group of rows.
    Columns { width: usize, groups: usize },
    /// So many blocks.
    Blocks(usize),
}

impl Work {
    fn blocks(self) -> Result<(u32, u32)> {
        let (x, y) = match self {
            Self::Values(n) => (n.div_ceil(THREADS), 1),
            Self::Pairs(n) => (n.div_ceil(2).div_ceil(THREADS), 1),
            Self::Times(n, times) => (n.div_ceil(THREADS), times),
            Self::Rows(rows) => (rows.div_ceil(ROWS), 1),
            Self::RowsOfBlocks(rows, times) => (rows, times),
            Self::Columns { width, groups } => (width.div_ceil(COLUMNS), groups),
            Self::Blocks(blocks) => (blocks, 1),
        };
        // Kernels count values in 31 bits; of the second, the hardware takes no more.
        match (u32::try_from(x), u32::try_from(y)) {
            (Ok(x), Ok(y)) if x < 1 << 22 && y < 1 << 16 => Ok((x, y)),
            _ => bail!("a batch is too large for one kernel: {self:?}"),
        }
    }
}

/// Runs the kernel `name` for values of `kind`.
///
/// # Errors
/// When there is no such kernel, or too much work.
pub fn run(
    machine: &impl Machine,
    (name, kind): (&str, Kind),
    work: Work,
    arguments: &[Argument],
) -> Result<()> {
    machine.run(&format!("{name}_{}", kind.suffix()), work.blocks()?, arguments)
}
