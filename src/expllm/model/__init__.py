"""The ExpLLM model: a DINOv2 tower, a two-layer projector, a causal language model; LoRA in both."""
