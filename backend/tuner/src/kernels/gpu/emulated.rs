//! This processor in place of a GPU, for tests: `kernels.cu` compiled for it.

use super::{Argument, At, ColumnMajor, Kind, Machine, Matrix, Product, Rounding, Tensors, Values};
use crate::kernels::rows;
use candle_core::{CpuStorage, Result, Storage, Tensor, bail};
use half::bf16;
use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

type Launch = unsafe extern "C" fn(*const c_char, c_uint, c_uint, *mut *mut c_void) -> c_int;

/// The compiled kernels. One thread at a time runs them.
static KERNELS: LazyLock<Mutex<libloading::Library>> = LazyLock::new(|| Mutex::new(compile()));

/// Compiles the kernels, with what runs them.
#[expect(unsafe_code, reason = "a library is loaded that was compiled a moment before")]
fn compile() -> libloading::Library {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("kernels.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kernels/gpu/emulated.cpp");
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let output = Command::new(&compiler)
        .args(["-std=c++17", "-O1", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .output()
        .unwrap_or_else(|e| panic!("{} compiles the kernels for tests: {e}", compiler.display()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // SAFETY: nothing runs when it is loaded but constructors of the standard library.
    unsafe { libloading::Library::new(&library) }.expect("what was compiled loads")
}

/// A machine that is this processor.
pub struct Emulated;

/// Values lie where those of the widest type may. Kernels and products write to them by
/// their address.
pub struct Room {
    words: Vec<AtomicU64>,
    bytes: usize,
}

impl Room {
    fn of(bytes: usize, word: u64) -> Self {
        Self { words: (0..bytes.div_ceil(8)).map(|_| AtomicU64::new(word)).collect(), bytes }
    }
}

impl Machine for Emulated {
    type Room = Room;
    type Moment = ();

    fn moment(&self) -> Result<()> {
        Ok(())
    }

    fn room(&self, bytes: usize) -> Result<Room> {
        // Not a number in any type: what is read before it is written is seen.
        Ok(Room::of(bytes, u64::MAX))
    }

    fn zeros(&self, bytes: usize) -> Result<Room> {
        Ok(Room::of(bytes, 0))
    }

    fn put(&self, words: &[u64]) -> Result<Room> {
        let words: Vec<_> = words.iter().map(|word| AtomicU64::new(*word)).collect();
        Ok(Room { bytes: 8 * words.len(), words })
    }

    fn address(&self, room: &Room) -> u64 {
        room.words.as_ptr() as u64
    }

    fn read(&self, room: &Room, (): &()) -> Result<Vec<u8>> {
        let bytes = room.words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes());
        Ok(bytes.take(room.bytes).collect())
    }

    fn multiply(&self, product: &Product) -> Result<()> {
        let ColumnMajor { m, n, k, a, b, c } = product.column_major();
        let read = |matrix: Matrix, item, row, column| {
            // An element of a matrix that lies column by column.
            let (row, column) = if matrix.transposed { (column, row) } else { (row, column) };
            let value = get(matrix, item * matrix.apart + column * matrix.leading + row);
            match product.rounding {
                Rounding::None => value,
                Rounding::Tf32 => f32::from_bits((value.to_bits() + 0x1000) & !0x1fff),
            }
        };
        for item in 0..product.batch {
            for row in 0..m {
                for column in 0..n {
                    let mut sum = 0.0_f64;
                    for i in 0..k {
                        let (a, b) = (read(a, item, row, i), read(b, item, i, column));
                        sum += f64::from(a) * f64::from(b);
                    }
                    let place = item * c.apart + column * c.leading + row;
                    let before = match product.beta {
                        0.0 => 0.0,
                        beta => beta * get(c, place),
                    };
                    set(c, place, product.alpha * sum as f32 + before);
                }
            }
        }
        Ok(())
    }

    #[expect(unsafe_code, reason = "kernels take addresses")]
    fn run(&self, kernel: &str, (x, y): (u32, u32), arguments: &[Argument]) -> Result<()> {
        let mut arguments = arguments.to_vec();
        let mut pointers: Vec<*mut c_void> = arguments
            .iter_mut()
            .map(|argument| match argument {
                Argument::Address(value) => std::ptr::from_mut(value).cast(),
                Argument::Int(value) => std::ptr::from_mut(value).cast(),
                Argument::Long(value) => std::ptr::from_mut(value).cast(),
                Argument::Float(value) => std::ptr::from_mut(value).cast(),
            })
            .collect();
        let name = CString::new(kernel).expect("names have no zero");
        let library = KERNELS.lock().expect("kernels do not panic");
        // SAFETY: `launch` is of this type, says emulated.cpp; the arguments are the
        // caller's affair, as they are on a GPU.
        let result = unsafe {
            let launch = library.get::<Launch>(b"launch").expect("it is there");
            launch(name.as_ptr(), x, y, pointers.as_mut_ptr())
        };
        match result {
            0 => Ok(()),
            1 => bail!("there is no kernel {kernel}"),
            _ => bail!("threads of {kernel} that belong together parted"),
        }
    }
}

impl Tensors for Emulated {
    fn of(_: &Tensor) -> Result<Self> {
        Ok(Self)
    }

    fn at(&self, tensor: &Tensor) -> Result<At> {
        let (storage, layout) = tensor.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else { bail!("a tensor is not on the CPU") };
        Ok(At::floats(rows::slice(storage, layout)?.as_ptr() as u64))
    }

    fn storage(&self, values: Values<Self>) -> Result<Storage> {
        assert_eq!(values.kind, Kind::F32);
        let bytes = values.bytes(self)?;
        let floats = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_ne_bytes(*bytes));
        Ok(Storage::Cpu(CpuStorage::F32(floats.collect())))
    }
}

#[expect(unsafe_code, reason = "matrices are addresses")]
fn get(matrix: Matrix, place: usize) -> f32 {
    let address = matrix.at.plus(place).address;
    // SAFETY: a matrix lies in room of this machine, says who asks for a product.
    unsafe {
        match matrix.at.kind {
            Kind::F32 => *(address as *const f32),
            Kind::Bf16 => (*(address as *const bf16)).to_f32(),
        }
    }
}

#[expect(unsafe_code, reason = "matrices are addresses")]
fn set(matrix: Matrix, place: usize, value: f32) {
    let address = matrix.at.plus(place).address;
    // SAFETY: as above.
    unsafe {
        match matrix.at.kind {
            Kind::F32 => *(address as *mut f32) = value,
            Kind::Bf16 => *(address as *mut bf16) = bf16::from_f32(value),
        }
    }
}
