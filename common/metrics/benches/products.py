"""One matrix-vector product in numpy, one thread: what `cargo xtask bench zoo` compares with."""

import time

import numpy as np

rows = np.random.default_rng(0).standard_normal((100_000, 1_024), dtype=np.float32)
query = np.random.default_rng(1).standard_normal(1_024, dtype=np.float32)
times = []
for _ in range(100):
    start = time.perf_counter()
    rows @ query
    times.append(time.perf_counter() - start)
print("measured", f"numpy-{np.__version__}", rows.nbytes, min(times) * 1e3)
