// Holds shards of a zoo, and does what the page says, one thing after the other. A
// message is { id, call, with: [...] }, its answer { id, value } or { id, error }.

// A module with one instruction of relaxed SIMD: a browser refuses a whole module for
// an instruction that it does not know. () => i32x4.extract_lane 0
// (i32x4.relaxed_dot_i8x16_i7x16_add_s 0 0 0).
const RELAXED = new Uint8Array([
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 10, 22, 1, 20, 0, 65, 0, 253, 17, 65,
    0, 253, 17, 65, 0, 253, 17, 253, 147, 2, 253, 27, 0, 11,
]);
const kind = WebAssembly.validate(RELAXED) ? "relaxed" : "simd";
const module =
    kind === "relaxed" ? import("./engine-relaxed.js") : import("./engine-simd.js");
const ready = module.then(async ({ default: init, Engine }) => {
    await init();
    return Engine;
});

const bytes = async (blob) => new Uint8Array(await blob.arrayBuffer());

let engine;
const calls = {
    kind: async () => kind,
    start: async (index) => {
        engine = new (await ready)(new Uint8Array(index));
    },
    only: async (blob) => {
        engine = (await ready).of_file(await bytes(blob));
        return engine?.index();
    },
    open: async (file, blob) => engine.open(file, await bytes(blob)),
    ask: async (question) => engine.ask(question),
    gather: async (tasks) => engine.gather(tasks),
};

let last = Promise.resolve();
self.onmessage = ({ data: { id, call, with: values } }) => {
    last = last.then(async () => {
        try {
            const value = await calls[call](...values);
            self.postMessage({ id, value });
        } catch (error) {
            // Text is what the engine says; all else is trouble of the browser's.
            const text = typeof error === "string" ? error : `the engine has stopped (${error})`;
            self.postMessage({ id, error: text });
        }
    });
};
