"""Text and label scores from a loaded model: decoders, KV cache, audited decoding."""
