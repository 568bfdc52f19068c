"""Parts of the `hf:` and `vllm:` backends. Everything in here may import torch and transformers."""

import os

# Threads that wait for each other sleep instead of spinning. libgomp reads it when torch is
# imported. With two threads beside a busy process, on two cores, a step that spins took 3 to 11
# times as long and 6 to 10 times the CPU time (benchmarks/local_path.py).
if "GOMP_SPINCOUNT" not in os.environ:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
