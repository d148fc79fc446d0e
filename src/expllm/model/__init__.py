"""The ExpLLM model: a DINOv2 vision encoder, a two-layer projector, a causal language model; LoRA in both."""
