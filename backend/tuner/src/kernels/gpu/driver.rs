//! An NVIDIA GPU, through candle's context of it: memory and streams are candle's, products
//! are those of cuBLAS, kernels come as PTX, which the driver compiles for the GPU at hand.

use super::{
    Argument, At, ColumnMajor, Kind, Machine, Matrix, Product, Rounding, THREADS, Tensors, Values,
};
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::cublas::{result as cublas, sys::*};
use candle_core::cuda_backend::cudarc::driver::{
    CudaEvent, CudaSlice, CudaStream, DevicePtr, LaunchConfig, PushKernelArg, result, sys,
};
use candle_core::{CudaDevice, CudaStorage, Device, Result, Storage, Tensor, bail};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

/// `kernels.cu`, compiled by the build script.
const PTX: &str = include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx"));

/// What the module of the kernels is called.
const MODULE: &str = "tupate";

/// The GPU of this number, ready for all threads.
///
/// # Errors
/// When it is not there.
#[expect(unsafe_code, reason = "nothing is synchronised between streams by itself")]
pub fn open(index: usize) -> Result<Device> {
    // A stream that is the same for every thread: what one of them asks for happens before
    // what another asks for later.
    let device = Device::new_cuda_with_stream(index)?;
    let cuda = device.as_cuda_device()?;
    // SAFETY: on the one other stream that there is, `Driver::side`, results are read that
    // were waited for.
    unsafe { cuda.disable_event_tracking() };
    // Room that was given up stays with this program, as far as it is used again: by
    // default it goes back to the driver whenever anybody waits for the GPU.
    let mut all = u64::MAX;
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the attribute is a u64.
    unsafe {
        let pool = result::device::get_default_mem_pool(index as i32).w()?;
        result::mem_pool::set_attribute(pool, attribute, (&raw mut all).cast()).w()?;
    }
    Ok(device)
}

/// A GPU.
pub struct Driver(CudaDevice);

impl Driver {
    /// The value of a scalar tensor, f32, as of a moment.
    ///
    /// # Errors
    /// Those of the work before.
    pub fn read_scalar(&self, scalar: &Tensor, when: &CudaEvent) -> Result<f32> {
        let (storage, layout) = scalar.storage_and_layout();
        let Storage::Cuda(storage) = &*storage else { bail!("a scalar is not on a GPU") };
        let start = layout.start_offset();
        let value = storage.as_cuda_slice::<f32>()?.slice(start..=start);
        Ok(self.side(when)?.clone_dtoh(&value).w()?[0])
    }

    /// A second stream, which waits for no more than `when`. Only results are read there.
    fn side(&self, when: &CudaEvent) -> Result<Arc<CudaStream>> {
        /// That of each GPU.
        static SIDES: Mutex<BTreeMap<usize, Arc<CudaStream>>> = Mutex::new(BTreeMap::new());
        let context = when.context();
        let mut sides = SIDES.lock().unwrap_or_else(PoisonError::into_inner);
        let side = match sides.entry(context.ordinal()) {
            Entry::Occupied(side) => side.into_mut(),
            Entry::Vacant(place) => place.insert(context.new_stream().w()?),
        };
        side.wait(when).w()?;
        Ok(Arc::clone(side))
    }
}

impl Tensors for Driver {
    fn of(tensor: &Tensor) -> Result<Self> {
        Ok(Self(tensor.device().as_cuda_device()?.clone()))
    }

    fn at(&self, tensor: &Tensor) -> Result<At> {
        let (storage, layout) = tensor.storage_and_layout();
        let Storage::Cuda(storage) = &*storage else {
            bail!("a kernel for GPUs was given a tensor that is not on one")
        };
        let Some((start, _)) = layout.contiguous_offsets() else {
            bail!("a kernel was given a tensor that is not contiguous")
        };
        let values = storage.as_cuda_slice::<f32>()?;
        let (address, _reading) = values.device_ptr(values.stream());
        Ok(At::floats(address).plus(start))
    }

    #[expect(unsafe_code, reason = "bytes become the f32 that they are")]
    fn storage(&self, values: Values<Self>) -> Result<Storage> {
        if values.kind != Kind::F32 {
            bail!("values that are not f32 were to become a tensor")
        }
        let (len, stream) = (values.len, self.0.cuda_stream());
        // SAFETY: an allocation of its own, of so many f32, of that stream.
        let floats = unsafe { stream.upgrade_device_ptr::<f32>(values.room.leak(), len) };
        Ok(Storage::Cuda(CudaStorage::wrap_cuda_slice(floats, self.0.clone())))
    }
}

fn data_type(matrix: Matrix) -> cudaDataType {
    match matrix.at.kind {
        Kind::F32 => cudaDataType::CUDA_R_32F,
        Kind::Bf16 => cudaDataType::CUDA_R_16BF,
    }
}

fn operation(matrix: Matrix) -> cublasOperation_t {
    match matrix.transposed {
        false => cublasOperation_t::CUBLAS_OP_N,
        true => cublasOperation_t::CUBLAS_OP_T,
    }
}

impl Machine for Driver {
    type Room = CudaSlice<u8>;
    type Moment = CudaEvent;

    fn moment(&self) -> Result<CudaEvent> {
        self.0.cuda_stream().record_event(None).w()
    }

    #[expect(unsafe_code, reason = "what is written before it is read need not be cleared")]
    fn room(&self, bytes: usize) -> Result<Self::Room> {
        // SAFETY: bytes of any value are bytes; that they are written first is the
        // affair of who asks.
        unsafe { self.0.alloc::<u8>(bytes) }
    }

    fn zeros(&self, bytes: usize) -> Result<Self::Room> {
        self.0.alloc_zeros::<u8>(bytes)
    }

    fn put(&self, words: &[u64]) -> Result<Self::Room> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.0.clone_htod(&bytes)
    }

    fn address(&self, room: &Self::Room) -> u64 {
        let (address, _reading) = room.device_ptr(room.stream());
        address
    }

    fn read(&self, room: &Self::Room, when: &CudaEvent) -> Result<Vec<u8>> {
        self.side(when)?.clone_dtoh(room).w()
    }

    #[expect(unsafe_code, reason = "cuBLAS takes addresses")]
    fn multiply(&self, product: &Product) -> Result<()> {
        let ColumnMajor { m, n, k, a, b, c } = product.column_major();
        let compute = match product.rounding {
            Rounding::None => cublasComputeType_t::CUBLAS_COMPUTE_32F,
            Rounding::Tf32 => cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32,
        };
        let [m, n, k, lda, ldb, ldc, batch] =
            [m, n, k, a.leading, b.leading, c.leading, product.batch]
                .map(|size| i32::try_from(size).map_err(candle_core::Error::wrap));
        let address = |matrix: Matrix| matrix.at.address as *const c_void;
        self.0.cuda_stream().context().bind_to_thread().w()?;
        // SAFETY: the matrices are in memory of this GPU, of these sizes, until the product
        // was asked for, says who asks.
        unsafe {
            cublas::gemm_strided_batched_ex(
                *self.0.cublas_handle().handle(),
                operation(a),
                operation(b),
                m?,
                n?,
                k?,
                (&raw const product.alpha).cast(),
                address(a),
                data_type(a),
                lda?,
                a.apart as i64,
                address(b),
                data_type(b),
                ldb?,
                b.apart as i64,
                (&raw const product.beta).cast(),
                address(c).cast_mut(),
                data_type(c),
                ldc?,
                c.apart as i64,
                batch?,
                compute,
                cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        }
        .w()
    }

    #[expect(unsafe_code, reason = "kernels take addresses")]
    fn run(&self, kernel: &str, blocks: (u32, u32), arguments: &[Argument]) -> Result<()> {
        let function = self.0.get_or_load_custom_func(kernel, MODULE, PTX)?;
        let mut launch = function.builder();
        for argument in arguments {
            match argument {
                Argument::Address(value) => launch.arg(value),
                Argument::Int(value) => launch.arg(value),
                Argument::Long(value) => launch.arg(value),
                Argument::Float(value) => launch.arg(value),
            };
        }
        let config = LaunchConfig {
            grid_dim: (blocks.0, blocks.1, 1),
            block_dim: (THREADS as u32, 1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: the arguments are those of the kernel, which the tests run with the same
        // ones; what they point to is there until this was asked for, says who asks.
        unsafe { launch.launch(config) }.w()?;
        Ok(())
    }
}
