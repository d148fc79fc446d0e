"""llama.cpp as one more side of `answer.py`: the same language model in BF16, told as many tokens.

It sees no picture: its prompt has as many tokens as ours has with the picture's, and it writes as many. It
runs in a process of its own, so that its threads and PyTorch's do not share a pool.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

WRITER: Final = """
import json, sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel, params.port = sys.argv[1], 2048, 1, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(sys.argv[2])
server = xllamacpp.Server(params)
print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(server.handle_completions(json.loads(line))), flush=True)
"""
A_WORD: Final = 1000
"""Some token; what a prompt says costs nothing."""


def missing() -> str | None:
    """What has to be installed first, or None."""
    return None if find_spec("xllamacpp") else "llama.cpp is left out: 'make .venv/.llm' installs it"


class LlamaCpp:
    """llama.cpp's server behind a pipe."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._asked, self._told = process.stdin, process.stdout

    def answer(self, prompt: int, tokens: int) -> None:
        """So many tokens behind a prompt of so many.

        Raises:
            SystemExit: it wrote fewer, or another number of tokens was read.
        """
        asked = {
            "prompt": [A_WORD] * prompt, "n_predict": tokens, "ignore_eos": True, "cache_prompt": False,
            "temperature": 0,
        }  # fmt: skip
        print(json.dumps(asked), file=self._asked, flush=True)
        timings = json.loads(self._told.readline()).get("timings", {})
        if (timings.get("prompt_n"), timings.get("predicted_n")) != (prompt, tokens):
            sys.exit(f"llama.cpp was to read {prompt} tokens and to write {tokens}: {timings}")


@contextmanager
def llama_cpp(threads: int) -> Iterator[LlamaCpp]:
    """llama.cpp with SmolLM2-135M-Instruct in BF16, as it is opened here too."""
    with TemporaryDirectory() as folder:
        model = Path(folder) / "bf16.gguf"
        write_bf16(model)
        command = [sys.executable, "-c", WRITER, str(model), str(threads)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                sys.exit("llama.cpp did not start")
            try:
                yield LlamaCpp(process)
            finally:
                process.kill()


def write_bf16(target: Path) -> None:
    """The carried model's file with every matrix in BF16, vectors in 32 bits."""
    import gguf
    from gguf.quants import dequantize, quantize

    from expllm.model.gguf_cache import packaged_gguf
    from expllm.model.presets import preset

    read: Any = gguf.GGUFReader(packaged_gguf(preset("compact").language))
    architecture = read.fields["general.architecture"].contents()
    written: Any = gguf.GGUFWriter(target, architecture)
    for name, field in read.fields.items():
        if not name.startswith("GGUF.") and name not in ("general.architecture", "general.file_type"):
            kind = field.types[0]
            inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            written.add_key_value(name, field.contents(), kind, inner)
    written.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    for tensor in read.tensors:
        plain = dequantize(tensor.data, tensor.tensor_type)
        kind = gguf.GGMLQuantizationType.BF16 if plain.ndim > 1 else gguf.GGMLQuantizationType.F32
        written.add_tensor(tensor.name, quantize(plain, kind), raw_dtype=kind)
    written.write_header_to_file()
    written.write_kv_data_to_file()
    written.write_tensors_to_file()
    written.close()
