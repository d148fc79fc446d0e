"""The tokenizer of the random models: learned from this project's own words, the same every time."""

from typing import TYPE_CHECKING, Final

from expllm.core.vocabulary import AU_NAMES, Expression

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SPECIAL: Final = ("<pad>", "<|im_start|>", "<|im_end|>", "<image>")
WORDS: Final = """
the The lip left right upper and movements jaw Overall corner Key Observations Emotional
Interpretation Conclusion brow one-sided raised face surprise for would alone raising strong nose
lower anger can with sadness brows fear disgust express there lid contempt this may corners pull
expression which than consistent are whole lowering rather measured strongly lids lifted usual very
doubt lowered happiness all seen chin support eye above stretched not upward suggest drawn reading
moderate label markedly other movement possible extreme points while only picture suggests down sign
Only although rests sideways Taken hinting There stand moderately read part distinct room reflect
stretch closed tension wrinkling marked neutral first shifted unease pronounced though Notably even
suggesting absent most stay forward Besides because leave addition lips balance taken relaxed
visible same account closer wrinkled degree dropped fitting closure these Alongside drawing moves
visibly cheeks noticeably shift thrust time indrawn compatible overall impression both noticeable
pulled strain drop explain attention keep still show activity Further drawn-down supported rest
distinctly evidence speech protruding given single While judged pucker mixed whereas suggested smile
Still hint point elsewhere could fits Beyond nothing downward astonishment occur held pushed worry
faintly slides half-hearted sorrow emotion interest less likely uneven amusement inwards together
fit combination scorn slightly puffing aversion restrained talking heightened defiance irony clear
irritation distress puffed outwards Higher speaks mainly but too alarm concentration subtly best
also back out slight that nervousness displeasure What hesitation sucked Nothing vigilance below
self-control little one effort dislike carried else was disapproval Seen lie fatigue low spirits
puckered note restlessness Most prominent determination tone against curiosity partly turn inward
concern muscles leaves dominated something new feeling absence any makes gives main subtle tiredness
withdrawal Given therefore form clearest slackness restraint stubbornness pattern alertness
described without repulsion Both stands perhaps emotional discomfort involve similar converges
involved since speak deep faint characteristic exasperation impatience Such weariness annoyance yet
All changing some sparse resolve says into Together coherent distaste reserve sulking another breath
frustration upwards
"""
"""What the offline writer says most often."""


def tiny_tokenizer(vocabulary: int) -> "PreTrainedTokenizerBase":
    """Byte-level BPE with at most `vocabulary` tokens: every text can be written, common words are short."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from expllm.core.records import CoT

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(SPECIAL), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    words = [*AU_NAMES, *(label.value for label in Expression), *CoT.HEADINGS, *WORDS.split()]
    tokenizer.train_from_iterator([text for word in words for text in (word, f" {word}")], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token=None, eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>", "<image>"],
    )  # fmt: skip
