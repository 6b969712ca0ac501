// Runs the kernels on the processor, for tests on machines without a GPU: one block after
// the other. Where threads wait for each other, each has a stack of its own, and the next
// one goes on; a round of all of them is a barrier.

// Some systems check jumps by default, and take one to another stack for a mistake.
#undef _FORTIFY_SOURCE

#include <cmath>
#include <cstring>
#include <functional>
#include <csetjmp>
#include <map>
#include <string>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __device__
#define __global__
// One block runs at a time.
#define __shared__ static

struct Index {
    unsigned int x, y;
};

static Index blockIdx, threadIdx;

enum class State { Running, Written, Read, Waiting, Done };

struct Thread {
    // Where it starts.
    ucontext_t context;
    std::vector<char> stack;
    // Where it waits.
    jmp_buf place;
    State state;
    float value;
};

constexpr std::size_t STACK = 32 * 1024;
static std::vector<Thread> threads;
static jmp_buf scheduler;
static std::function<void()> body;
// Whether the kernel at hand has barriers, and whether one without came to one.
static bool waits, surprised;

static void wait(State state) {
    if (!waits) {
        surprised = true;
        return;
    }
    Thread &own = threads[threadIdx.x];
    own.state = state;
    if (_setjmp(own.place) == 0) {
        _longjmp(scheduler, 1);
    }
}

static float __shfl_xor_sync(unsigned int, float value, int apart) {
    threads[threadIdx.x].value = value;
    wait(State::Written);
    value = threads[threadIdx.x ^ apart].value;
    wait(State::Read);
    return value;
}

static void __syncthreads() { wait(State::Waiting); }

static float __uint_as_float(unsigned int bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

static unsigned int __float_as_uint(float value) {
    unsigned int bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

#include "kernels.cu"

static void enter() {
    body();
    threads[threadIdx.x].state = State::Done;
    _longjmp(scheduler, 1);
}

// Lets the thread at hand go on until it waits, or is done.
static void go_on() {
    Thread &own = threads[threadIdx.x];
    if (_setjmp(scheduler) != 0) {
        return;
    }
    if (own.state == State::Running) {
        setcontext(&own.context);
    }
    _longjmp(own.place, 1);
}

// Whether all threads of a block, or of a warp, wait for the same.
static bool together() {
    bool waiting = false, other = false;
    for (std::size_t t = 0; t < threads.size(); t++) {
        waiting |= threads[t].state == State::Waiting;
        other |= threads[t].state != State::Waiting;
        if (threads[t].state != threads[t - t % LANES].state) {
            return false;
        }
    }
    return !(waiting && other);
}

static bool run_block() {
    for (Thread &thread : threads) {
        thread.state = State::Running;
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.data();
        thread.context.uc_stack.ss_size = thread.stack.size();
        thread.context.uc_link = nullptr;
        makecontext(&thread.context, enter, 0);
    }
    for (bool left = true; left;) {
        left = false;
        for (threadIdx.x = 0; threadIdx.x < threads.size(); threadIdx.x++) {
            if (threads[threadIdx.x].state != State::Done) {
                go_on();
                left = true;
            }
        }
        // Threads without a value end at once, beside others of their warp that have one.
        bool shuffled = false;
        for (const Thread &thread : threads) {
            shuffled |= thread.state != State::Done;
        }
        if (shuffled && !together()) {
            return false;
        }
    }
    return true;
}

template <typename... P, std::size_t... I>
static void call(void (*kernel)(P...), void **arguments, std::index_sequence<I...>) {
    kernel(*static_cast<P *>(arguments[I])...);
}

template <typename... P> static std::function<void(void **)> entry(void (*kernel)(P...)) {
    return [kernel](void **arguments) {
        call(kernel, arguments, std::index_sequence_for<P...>());
    };
}

struct Kernel {
    std::function<void(void **)> run;
    // Whether its threads wait for each other.
    bool waits;
};

#define KERNELS_OF(name, waits)                                                                    \
    {#name "_f32", {entry(name##_f32), waits}}, {#name "_bf16", {entry(name##_bf16), waits}}

static const std::map<std::string, Kernel> KERNELS = {
    KERNELS_OF(cast, false),
    KERNELS_OF(add, false),
    KERNELS_OF(into_heads, false),
    KERNELS_OF(from_heads, false),
    KERNELS_OF(prefix_sums, false),
    KERNELS_OF(softmax, true),
    KERNELS_OF(softmax_backward, true),
    KERNELS_OF(add_norm, true),
    KERNELS_OF(norm_backward, true),
    KERNELS_OF(gelu, false),
    KERNELS_OF(multiply, false),
    KERNELS_OF(column_sums, true),
    {"squares", {entry(squares), true}},
    {"all_squares", {entry(all_squares), true}},
    {"adamw", {entry(adamw), false}},
};

// As cuLaunchKernel takes it. Gives 0, or 1 if there is no such kernel, or 2 if threads
// that belong together parted.
extern "C" int launch(const char *name, unsigned int x, unsigned int y, void **arguments) {
    auto kernel = KERNELS.find(name);
    if (kernel == KERNELS.end()) {
        return 1;
    }
    body = [&] { kernel->second.run(arguments); };
    threads.resize(THREADS);
    for (Thread &thread : threads) {
        thread.stack.resize(STACK);
    }
    waits = kernel->second.waits;
    surprised = false;
    for (blockIdx.y = 0; blockIdx.y < y; blockIdx.y++) {
        for (blockIdx.x = 0; blockIdx.x < x; blockIdx.x++) {
            if (waits) {
                if (!run_block()) {
                    return 2;
                }
                continue;
            }
            for (threadIdx.x = 0; threadIdx.x < THREADS; threadIdx.x++) {
                body();
            }
        }
    }
    return surprised ? 2 : 0;
}
