// What a layer of a frozen encoder does beside products, forward and backward.
//
// T is the type of what goes into products and comes out of them: float, or Half, which is
// bf16. Everything is computed in float. Shapes: B batch, S queries, P prefix, K = P + S
// keys, H hidden, I intermediate, N heads of width d, M = B·S rows.
//
// Kernels of rows give each row to one warp; a block has WARPS of them. The sums of a row
// and of a column have one order, whatever the GPU: a run can be repeated to the bit. Where
// every value is divided by a size, it is in 32 bits: a division of 64 takes a GPU longer
// than all else that is done to a value.
//
// Tests compile this file for the processor, too (emulated.cpp), and run it there.

constexpr int LANES = 32;
constexpr int WARPS = 8;
constexpr int THREADS = LANES * WARPS;

struct Half {
    unsigned short bits;
};

__device__ inline float load(const float *values, long i) { return values[i]; }

__device__ inline float load(const Half *values, long i) {
    return __uint_as_float((unsigned int)values[i].bits << 16);
}

__device__ inline void store(float *values, long i, float value) { values[i] = value; }

// Rounded to the nearest, to even where two are as near.
__device__ inline void store(Half *values, long i, float value) {
    unsigned int bits = __float_as_uint(value);
    unsigned int rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    values[i].bits = value == value ? (unsigned short)rounded : (unsigned short)0x7fc0u;
}

__device__ inline float sum_of_warp(float value) {
    for (int apart = LANES / 2; apart > 0; apart /= 2) {
        value += __shfl_xor_sync(0xffffffffu, value, apart);
    }
    return value;
}

__device__ inline float highest_of_warp(float value) {
    for (int apart = LANES / 2; apart > 0; apart /= 2) {
        value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, apart));
    }
    return value;
}

// Two values that are read and written at once: Half alone leaves half of the way to memory
// empty.
template <typename T> struct alignas(2 * sizeof(T)) Two {
    T values[2];
};

// The row of this warp.
__device__ inline long row_of_warp() {
    return (long)blockIdx.x * WARPS + threadIdx.x / LANES;
}

// The place of this thread among all of its kernel.
__device__ inline long place() { return (long)blockIdx.x * THREADS + threadIdx.x; }

// Rounds n values.
template <typename T> __device__ void cast(const float *x, T *y, long n) {
    long i = place();
    if (i < n) {
        store(y, i, x[i]);
    }
}

// Adds the halves of a gradient, float and T.
template <typename T> __device__ void add(const float *x, const T *more, float *y, long n) {
    long i = place();
    if (i < n) {
        y[i] = x[i] + load(more, i);
    }
}

// Columns [0, H), [H, 2H), [2H, 3H) of rows [M, stride] become heads [B, N, S, d] and
// twice [B, N, K, d], a bias added to each and a prefix [P, H] in front of the last two.
// blockIdx.y says which of the three, blockIdx.x which of the B·K rows. bias is [3H], or null.
template <typename T>
__device__ void into_heads(const T *rows, int stride, const float *bias,
                           const float *prefix_key, const float *prefix_value, T *query, T *key,
                           T *value, int batch, int s, int p, int heads, int d) {
    int which = blockIdx.y;
    int front = which == 0 ? 0 : p;
    int h = heads * d;
    long b = blockIdx.x / (unsigned int)(front + s);
    int k = blockIdx.x % (unsigned int)(front + s);
    if (b >= batch) {
        return;
    }
    T *to = which == 0 ? query : which == 1 ? key : value;
    const float *prefix = which == 1 ? prefix_key : prefix_value;
    for (int column = threadIdx.x; column < h; column += THREADS) {
        float v;
        if (k < front) {
            v = prefix[(long)k * h + column];
        } else {
            v = load(rows, (b * s + k - front) * stride + which * h + column);
            if (bias) {
                v += bias[which * h + column];
            }
        }
        int n = column / d;
        store(to, ((b * heads + n) * (front + s) + k) * d + column - n * d, v);
    }
}

// The way back: what belongs to the sequences' own tokens, B·S rows.
template <typename T>
__device__ void from_heads(const T *query, const T *key, const T *value, T *rows, int stride,
                           int batch, int s, int p, int heads, int d) {
    int which = blockIdx.y;
    int front = which == 0 ? 0 : p;
    int h = heads * d;
    long b = blockIdx.x / (unsigned int)s;
    int k = blockIdx.x % (unsigned int)s;
    if (b >= batch) {
        return;
    }
    const T *from = which == 0 ? query : which == 1 ? key : value;
    for (int column = threadIdx.x; column < h; column += THREADS) {
        int n = column / d;
        store(rows, (b * s + k) * stride + which * h + column,
              load(from, ((b * heads + n) * (front + s) + front + k) * d + column - n * d));
    }
}

// The gradients of prefixes [P, H] from those of heads [B, N, K, d]; blockIdx.y says
// whether of keys or of values.
template <typename T>
__device__ void prefix_sums(const T *key, const T *value, float *of_key, float *of_value,
                            int batch, int s, int p, int heads, int d) {
    int h = heads * d;
    int i = place();
    if (i >= p * h) {
        return;
    }
    int column = i % h;
    int k = i / h;
    const T *from = blockIdx.y == 0 ? key : value;
    float sum = 0.0f;
    for (long b = 0; b < batch; b++) {
        sum += load(from, ((b * heads + column / d) * (p + s) + k) * d + column % d);
    }
    (blockIdx.y == 0 ? of_key : of_value)[i] = sum;
}

// softmax(scale·scores + mask + bias) of rows [B·N·S, K]; mask [B, K], bias [N, S, K] or
// null.
template <typename T>
__device__ void softmax(const float *scores, const float *mask, const float *bias, T *out,
                        long rows, int heads, int s, int keys, float scale) {
    long r = row_of_warp();
    if (r >= rows) {
        return;
    }
    int lane = threadIdx.x % LANES;
    const float *own = scores + r * keys;
    unsigned int b = (unsigned int)r / (unsigned int)(heads * s);
    const float *of_mask = mask + (long)b * keys;
    const float *of_bias = bias ? bias + (r - (long)b * heads * s) * keys : nullptr;
    float highest = -INFINITY;
    float sum = 0.0f;
    // Lanes without a key have nothing to add; none of them is alone in the loop's shuffles,
    // because there are none in it.
    for (int k = lane; k < keys; k += LANES) {
        float v = own[k] * scale + of_mask[k] + (of_bias ? of_bias[k] : 0.0f);
        highest = fmaxf(highest, v);
    }
    highest = highest_of_warp(highest);
    for (int k = lane; k < keys; k += LANES) {
        float v = own[k] * scale + of_mask[k] + (of_bias ? of_bias[k] : 0.0f);
        sum += expf(v - highest);
    }
    sum = sum_of_warp(sum);
    float share = 1.0f / sum;
    for (int k = lane; k < keys; k += LANES) {
        float v = own[k] * scale + of_mask[k] + (of_bias ? of_bias[k] : 0.0f);
        store(out, r * keys + k, expf(v - highest) * share);
    }
}

// The gradient of scores from probabilities and their gradient, rows [B·N·S, K]:
// scale·p·(dp - Σ p·dp).
template <typename T>
__device__ void softmax_backward(const T *probabilities, const float *gradient, T *out,
                                 long rows, int keys, float scale) {
    long r = row_of_warp();
    if (r >= rows) {
        return;
    }
    int lane = threadIdx.x % LANES;
    float mean = 0.0f;
    for (int k = lane; k < keys; k += LANES) {
        mean += load(probabilities, r * keys + k) * gradient[r * keys + k];
    }
    mean = sum_of_warp(mean);
    for (int k = lane; k < keys; k += LANES) {
        float p = load(probabilities, r * keys + k);
        store(out, r * keys + k, scale * p * (gradient[r * keys + k] - mean));
    }
}

// Mean and reciprocal standard deviation of a row that a warp has.
__device__ inline void moments(const float *row, int h, float eps, float *mean, float *scale) {
    int lane = threadIdx.x % LANES;
    float sum = 0.0f;
    for (int i = lane; i < h; i += LANES) {
        sum += row[i];
    }
    *mean = sum_of_warp(sum) / (float)h;
    float squares = 0.0f;
    for (int i = lane; i < h; i += LANES) {
        squares += (row[i] - *mean) * (row[i] - *mean);
    }
    *scale = 1.0f / sqrtf(sum_of_warp(squares) / (float)h + eps);
}

// sum = x + y + bias and its LayerNorm, rows [M, H], in float and in T.
template <typename T>
__device__ void add_norm(const float *x, const T *y, const float *bias, const float *gamma,
                         const float *beta, float eps, float *sum, float *out, T *rounded,
                         long rows, int h) {
    long r = row_of_warp();
    if (r >= rows) {
        return;
    }
    int lane = threadIdx.x % LANES;
    for (int i = lane; i < h; i += LANES) {
        sum[r * h + i] = x[r * h + i] + load(y, r * h + i) + bias[i];
    }
    // A lane reads what it wrote itself, here and below.
    float mean, scale;
    moments(sum + r * h, h, eps, &mean, &scale);
    for (int i = lane; i < h; i += LANES) {
        float v = (sum[r * h + i] - mean) * scale * gamma[i] + beta[i];
        out[r * h + i] = v;
        store(rounded, r * h + i, v);
    }
}

// The gradient of a LayerNorm's input x, rows [M, H], in float and in T. That of its result
// comes in two halves, dy and more, or more is null; their sum is left in total.
template <typename T>
__device__ void norm_backward(const float *x, const float *dy, const T *more,
                              const float *gamma, float eps, float *total, float *dx,
                              T *rounded, long rows, int h) {
    long r = row_of_warp();
    if (r >= rows) {
        return;
    }
    int lane = threadIdx.x % LANES;
    float mean, scale;
    moments(x + r * h, h, eps, &mean, &scale);
    float of_u = 0.0f, of_normed = 0.0f;
    for (int i = lane; i < h; i += LANES) {
        float g = dy[r * h + i] + (more ? load(more, r * h + i) : 0.0f);
        total[r * h + i] = g;
        float u = g * gamma[i];
        of_u += u;
        of_normed += u * (x[r * h + i] - mean) * scale;
    }
    of_u = sum_of_warp(of_u) / (float)h;
    of_normed = sum_of_warp(of_normed) / (float)h;
    for (int i = lane; i < h; i += LANES) {
        float normed = (x[r * h + i] - mean) * scale;
        float v = scale * (total[r * h + i] * gamma[i] - of_u - normed * of_normed);
        dx[r * h + i] = v;
        store(rounded, r * h + i, v);
    }
}

// GELU, the exact one, of rows [M, I] in place, a bias [I] added before, two values a
// thread. Its derivatives are left in slopes, which may be null.
template <typename T>
__device__ void gelu(T *rows, const float *bias, T *slopes, long n, int width) {
    unsigned int i = 2 * place();
    if (i >= n) {
        return;
    }
    bool both = n % 2 == 0;
    Two<T> of_rows, of_slopes;
    if (both) {
        of_rows = *(const Two<T> *)(rows + i);
    } else {
        of_rows.values[0] = rows[i];
        of_rows.values[1] = rows[i + 1 < n ? i + 1 : i];
    }
    for (int k = 0; k < 2; k++) {
        float x = load(of_rows.values, k) + bias[(i + k) % (unsigned int)width];
        float cumulative = 0.5f * erfcf(-x * 0.70710678f);
        float density = 0.39894228f * expf(-0.5f * x * x);
        store(of_rows.values, k, x * cumulative);
        store(of_slopes.values, k, cumulative + x * density);
    }
    if (both) {
        *(Two<T> *)(rows + i) = of_rows;
        if (slopes) {
            *(Two<T> *)(slopes + i) = of_slopes;
        }
        return;
    }
    for (int k = 0; k < 2 && i + k < n; k++) {
        rows[i + k] = of_rows.values[k];
        if (slopes) {
            slopes[i + k] = of_slopes.values[k];
        }
    }
}

// values *= slopes, two a thread.
template <typename T> __device__ void multiply(T *values, const T *slopes, long n) {
    long i = 2 * place();
    if (i + 1 < n && n % 2 == 0) {
        Two<T> own = *(const Two<T> *)(values + i);
        Two<T> by = *(const Two<T> *)(slopes + i);
        for (int k = 0; k < 2; k++) {
            store(own.values, k, load(own.values, k) * load(by.values, k));
        }
        *(Two<T> *)(values + i) = own;
        return;
    }
    for (long k = i; k < i + 2 && k < n; k++) {
        store(values, k, load(values, k) * load(slopes, k));
    }
}

// Sums of the columns of rows [M, width], `each` rows a sum: [M/each, width]. A block has
// LANES columns; its warps take the rows in turns.
template <typename T>
__device__ void column_sums(const T *rows, float *sums, long m, int width, int each) {
    __shared__ float of_warps[WARPS][LANES];
    int lane = threadIdx.x % LANES;
    int warp = threadIdx.x / LANES;
    int column = blockIdx.x * LANES + lane;
    long end = (long)(blockIdx.y + 1) * each;
    if (end > m) {
        end = m;
    }
    float sum = 0.0f;
    if (column < width) {
        for (long r = (long)blockIdx.y * each + warp; r < end; r += WARPS) {
            sum += load(rows, r * width + column);
        }
    }
    of_warps[warp][lane] = sum;
    __syncthreads();
    if (warp == 0 && column < width) {
        for (int w = 1; w < WARPS; w++) {
            sum += of_warps[w][lane];
        }
        sums[(long)blockIdx.y * width + column] = sum;
    }
}

// A tensor that learns. Its values are cut into pieces, a block each.
struct Learning {
    float *parameter;
    const float *gradient;
    float *first;
    float *second;
    long len;
    // The blocks before its first.
    long start;
};

constexpr int PIECE = 4096;

// The tensor of this block, and where in it the block's piece is.
__device__ inline const Learning *learning(const Learning *tensors, int count, long *start,
                                           long *end) {
    int low = 0, high = count - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (tensors[middle].start <= blockIdx.x) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    const Learning *own = tensors + low;
    *start = (blockIdx.x - own->start) * PIECE;
    *end = *start + PIECE < own->len ? *start + PIECE : own->len;
    return own;
}

// The sum of squares of the gradient in each piece.
extern "C" __global__ void squares(const Learning *tensors, int count, float *of_pieces) {
    __shared__ float of_warps[WARPS];
    long start, end;
    const Learning *own = learning(tensors, count, &start, &end);
    float sum = 0.0f;
    for (long i = start + threadIdx.x; i < end; i += THREADS) {
        sum += own->gradient[i] * own->gradient[i];
    }
    sum = sum_of_warp(sum);
    if (threadIdx.x % LANES == 0) {
        of_warps[threadIdx.x / LANES] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int w = 1; w < WARPS; w++) {
            sum += of_warps[w];
        }
        of_pieces[blockIdx.x] = sum;
    }
}

// The sums of squares of all tensors, and behind them that of all together. One block.
extern "C" __global__ void all_squares(const Learning *tensors, int count,
                                       const float *of_pieces, long pieces, double *sums) {
    for (int t = threadIdx.x; t < count; t += THREADS) {
        long end = t + 1 < count ? tensors[t + 1].start : pieces;
        double sum = 0.0;
        for (long piece = tensors[t].start; piece < end; piece++) {
            sum += of_pieces[piece];
        }
        sums[t] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        double sum = 0.0;
        for (int t = 0; t < count; t++) {
            sum += sums[t];
        }
        sums[count] = sum;
    }
}

// A step of AdamW (Loshchilov and Hutter 2019, algorithm 2), the gradient as a whole no
// longer than longest. Where it is not a number, nothing moves.
extern "C" __global__ void adamw(const Learning *tensors, int count, const double *sums,
                                 float longest, float keep, float rate, float beta1, float beta2,
                                 float rest1, float rest2, float scale1, float scale2,
                                 float epsilon) {
    long start, end;
    const Learning *own = learning(tensors, count, &start, &end);
    double norm = sqrt(sums[count]);
    if (!(norm <= 1e300)) {
        return;
    }
    float scale = norm > longest ? (float)(longest / norm) : 1.0f;
    for (long i = start + threadIdx.x; i < end; i += THREADS) {
        float g = own->gradient[i] * scale;
        float m = own->first[i] * beta1 + g * rest1;
        float v = own->second[i] * beta2 + g * g * rest2;
        own->first[i] = m;
        own->second[i] = v;
        float update = m * scale1 / (sqrtf(v * scale2) + epsilon);
        own->parameter[i] = own->parameter[i] * keep - update * rate;
    }
}

// Every kernel twice, by a name that says its T.
#define KERNEL(name, parameters, arguments)                                                        \
    extern "C" __global__ void name##_f32 parameters(float) { name<float> arguments; }             \
    extern "C" __global__ void name##_bf16 parameters(Half) { name<Half> arguments; }

#define CAST(T) (const float *x, T *y, long n)
KERNEL(cast, CAST, (x, y, n))

#define ADD(T) (const float *x, const T *more, float *y, long n)
KERNEL(add, ADD, (x, more, y, n))

#define INTO_HEADS(T)                                                                              \
    (const T *rows, int stride, const float *bias, const float *prefix_key,                        \
     const float *prefix_value, T *query, T *key, T *value, int batch, int s, int p, int heads,    \
     int d)
KERNEL(into_heads, INTO_HEADS,
       (rows, stride, bias, prefix_key, prefix_value, query, key, value, batch, s, p, heads, d))

#define FROM_HEADS(T)                                                                              \
    (const T *query, const T *key, const T *value, T *rows, int stride, int batch, int s, int p,   \
     int heads, int d)
KERNEL(from_heads, FROM_HEADS, (query, key, value, rows, stride, batch, s, p, heads, d))

#define PREFIX_SUMS(T)                                                                             \
    (const T *key, const T *value, float *of_key, float *of_value, int batch, int s, int p,        \
     int heads, int d)
KERNEL(prefix_sums, PREFIX_SUMS, (key, value, of_key, of_value, batch, s, p, heads, d))

#define SOFTMAX(T)                                                                                 \
    (const float *scores, const float *mask, const float *bias, T *out, long rows, int heads,      \
     int s, int keys, float scale)
KERNEL(softmax, SOFTMAX, (scores, mask, bias, out, rows, heads, s, keys, scale))

#define SOFTMAX_BACKWARD(T)                                                                        \
    (const T *probabilities, const float *gradient, T *out, long rows, int keys, float scale)
KERNEL(softmax_backward, SOFTMAX_BACKWARD, (probabilities, gradient, out, rows, keys, scale))

#define ADD_NORM(T)                                                                                \
    (const float *x, const T *y, const float *bias, const float *gamma, const float *beta,         \
     float eps, float *sum, float *out, T *rounded, long rows, int h)
KERNEL(add_norm, ADD_NORM, (x, y, bias, gamma, beta, eps, sum, out, rounded, rows, h))

#define NORM_BACKWARD(T)                                                                           \
    (const float *x, const float *dy, const T *more, const float *gamma, float eps, float *total,  \
     float *dx, T *rounded, long rows, int h)
KERNEL(norm_backward, NORM_BACKWARD, (x, dy, more, gamma, eps, total, dx, rounded, rows, h))

#define GELU(T) (T *rows, const float *bias, T *slopes, long n, int width)
KERNEL(gelu, GELU, (rows, bias, slopes, n, width))

#define MULTIPLY(T) (T *values, const T *slopes, long n)
KERNEL(multiply, MULTIPLY, (values, slopes, n))

#define COLUMN_SUMS(T) (const T *rows, float *sums, long m, int width, int each)
KERNEL(column_sums, COLUMN_SUMS, (rows, sums, m, width, each))
