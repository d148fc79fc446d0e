"""One module for each dataset layout; `expllm.data.catalog` chooses among them."""
