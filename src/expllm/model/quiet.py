"""`transformers` without its bars and advice: ours are on the same standard error."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No bar and no warning from `transformers` and the hub inside the block; errors are raised as ever."""
    from huggingface_hub.utils import logging as hub
    from transformers import modeling_gguf_pytorch_utils as gguf
    from transformers.utils import logging

    before, before_hub, bars = (
        logging.get_verbosity(), hub.get_verbosity(), logging.is_progress_bar_enabled()
    )  # fmt: skip
    bar: Any = gguf.tqdm  # has no switch of its own
    logging.set_verbosity_error()
    hub.set_verbosity(hub.CRITICAL)
    logging.disable_progress_bar()
    gguf.tqdm = partial(bar, disable=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        gguf.tqdm = bar
        logging.set_verbosity(before)
        hub.set_verbosity(before_hub)
        if bars:
            logging.enable_progress_bar()
