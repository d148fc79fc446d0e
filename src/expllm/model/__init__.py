"""The ExpLLM model: a DINOv2 tower, a two-layer projector and a causal language model, LoRA in both towers."""
