"""The tokenizer of the random models: learned from this project's own vocabulary, the same every time."""

from typing import TYPE_CHECKING

from expllm.faces import AU_NAMES, Expression

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SPECIAL = ("<pad>", "<|im_start|>", "<|im_end|>", "<image>")


def tiny_tokenizer(vocabulary: int) -> "PreTrainedTokenizerBase":
    """Byte-level BPE with at most `vocabulary` tokens: every text can be written, common words are short."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from expllm.records import CoT

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(SPECIAL), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    words = [*AU_NAMES, *(label.value for label in Expression), *CoT.HEADINGS]
    degrees = (
        "slightly",
        "moderately",
        "strongly",
        "the face shows",
        "is measured",
        "which may mean",
        "both",
    )
    tokenizer.train_from_iterator([*words, *degrees] * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token=None, eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>", "<image>"],
    )  # fmt: skip
