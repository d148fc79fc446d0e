"""Small tokenizers of the kinds that language models have, and a conversation to write with them."""

from typing import Any

from expllm.core.conversations import Conversation, explanation_conversation
from expllm.core.records import CoT
from expllm.core.vocabulary import Expression, label_set
from expllm.model.tokenize import IGNORE, Encoded

LABELS = label_set(7)
COT = CoT(
    key_observations="Both lip corners are pulled.",
    overall_emotional_interpretation="Fröhlich – 😀, 喜び.",
    conclusion="The face shows happiness.",
)


def llama(*, legacy: bool = False, words: tuple[str, ...] = ()) -> Any:
    """A tokenizer of Llama's kind, small: bytes where nothing fits, and words with the space before them."""
    from transformers import LlamaTokenizer

    vocabulary = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    merges = []
    for word in ("▁fear", "▁happiness", "▁anger", "fear", "▁disgust", *words):
        for end in range(1, len(word)):
            vocabulary += [word[:end], word[end], word[: end + 1]]
            merges.append((word[:end], word[end]))
    unique = {token: number for number, token in enumerate(dict.fromkeys(vocabulary))}
    return LlamaTokenizer(vocab=unique, merges=list(dict.fromkeys(merges)), legacy=legacy, add_bos_token=True)


def unigram() -> Any:
    """SentencePiece's other kind: its vocabulary holds "</s>" as a piece that plain text matches."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), ("<image>", 0.0), ("▁fear", -1.0), ("fear", -2.0)]
    pieces += [(chr(code), -5.0) for code in range(33, 127)] + [("▁", -3.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>",
        additional_special_tokens=["<image>"],
    )  # fmt: skip


def explained() -> Conversation:
    return explanation_conversation(COT, Expression.HAPPINESS, LABELS)


def runs(encoded: Encoded) -> list[list[int]]:
    """The learned ids, one list for each stretch of them."""
    found: list[list[int]] = [[]]
    for label in encoded.labels:
        if label != IGNORE:
            found[-1].append(label)
        elif found[-1]:
            found.append([])
    return [run for run in found if run]
