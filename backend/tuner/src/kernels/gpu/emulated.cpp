// Runs the kernels on the processor, for tests on machines without a GPU: one block after
// the other, each of its threads a stack of its own. Where threads wait for each other,
// the next one goes on; a round of all of them is a barrier.

#include <cmath>
#include <cstring>
#include <functional>
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
    ucontext_t context;
    std::vector<char> stack;
    State state;
    float value;
};

constexpr std::size_t STACK = 32 * 1024;
static std::vector<Thread> threads;
static ucontext_t scheduler;
static std::function<void()> body;

static void wait(State state) {
    Thread &own = threads[threadIdx.x];
    own.state = state;
    swapcontext(&own.context, &scheduler);
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
    swapcontext(&threads[threadIdx.x].context, &scheduler);
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
                swapcontext(&scheduler, &threads[threadIdx.x].context);
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

#define ENTRIES(name) {#name "_f32", entry(name##_f32)}, {#name "_bf16", entry(name##_bf16)}

static const std::map<std::string, std::function<void(void **)>> KERNELS = {
    ENTRIES(cast),         ENTRIES(add),         ENTRIES(into_heads),
    ENTRIES(from_heads),   ENTRIES(prefix_sums), ENTRIES(softmax),
    ENTRIES(softmax_backward), ENTRIES(add_norm), ENTRIES(norm_backward),
    ENTRIES(gelu),         ENTRIES(multiply),    ENTRIES(column_sums),
    {"squares", entry(squares)}, {"all_squares", entry(all_squares)}, {"adamw", entry(adamw)},
};

// As cuLaunchKernel takes it. Gives 0, or 1 if there is no such kernel, or 2 if threads
// that belong together parted.
extern "C" int launch(const char *name, unsigned int x, unsigned int y, void **arguments) {
    auto kernel = KERNELS.find(name);
    if (kernel == KERNELS.end()) {
        return 1;
    }
    threads.resize(THREADS);
    for (Thread &thread : threads) {
        thread.stack.resize(STACK);
    }
    body = [&] { kernel->second(arguments); };
    for (blockIdx.y = 0; blockIdx.y < y; blockIdx.y++) {
        for (blockIdx.x = 0; blockIdx.x < x; blockIdx.x++) {
            if (!run_block()) {
                return 2;
            }
        }
    }
    return 0;
}
