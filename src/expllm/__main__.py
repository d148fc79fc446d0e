"""`python -m expllm`."""

from expllm.cli.main import run

run()
