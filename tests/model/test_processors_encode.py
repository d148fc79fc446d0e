"""Conversations as processors of other models write them, by chat templates of many kinds."""

import pytest
from smalltokenizers import COT, LABELS, explained, llama, runs

from expllm.core.conversations import explanation_conversation, label_conversation, label_question
from expllm.core.vocabulary import Expression
from expllm.model.processors import ProcessorEncoder
from expllm.model.tokenize import Encoded, TemplateError

# `test_bases.py` has the published ones.
LLAVA_CHAT = (
    "{% for message in messages %}{% if message['role'] == 'user' %}USER: {% else %}ASSISTANT: {% endif %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n{% else %}"
    "{{ part['text'] }}{% endif %}{% endfor %}{% if message['role'] == 'user' %} {% else %}</s>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
CONTENT = (
    "{% for part in m['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}"
    "{% endif %}{% endfor %}"
)


def llava(template: str) -> ProcessorEncoder:
    """A processor as image-text-to-text models have it: 2 by 2 patches, each a place for the picture."""
    from transformers import CLIPImageProcessorPil, LlavaProcessor

    tokenizer = llama(words=("▁ASSISTANT", "▁USER"))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    images = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    processor = LlavaProcessor(
        images, tokenizer, patch_size=14, vision_feature_select_strategy="full",
        chat_template=template.replace("CONTENT", CONTENT),
    )  # fmt: skip
    return ProcessorEncoder(processor, 28, 4096)


def decoded(encoder: ProcessorEncoder, encoded: Encoded) -> list[str]:
    return [encoder.processor.tokenizer.decode(run) for run in runs(encoded)]


def test_a_processor_writes_the_picture_itself() -> None:
    from PIL import Image

    encoder = llava(LLAVA_CHAT)
    conversation = explanation_conversation(COT, Expression.FEAR, LABELS)
    encoded = encoder.encode(conversation)
    said = [
        {"role": turn.role, "content": [{"type": "text", "text": turn.text}]} for turn in conversation.turns
    ]
    said[0]["content"] = [{"type": "image"}, *said[0]["content"]]
    text = encoder.processor.apply_chat_template(said)
    ids = encoder.processor(images=Image.new("RGB", (28, 28)), text=text)["input_ids"]
    assert encoded.input_ids == (ids[0] if isinstance(ids[0], list) else ids)
    assert decoded(encoder, encoded) == [f"{COT.text}</s>", "fear</s>"]
    assert encoder.image_tokens == 4


def test_a_template_without_a_prompt_for_generation_begins_at_the_answer() -> None:
    # Llama 2's way: the answer follows the question, with a space before the end.
    encoder = llava(
        "{% for m in messages %}{% if m['role'] == 'user' %}<s>[Q] CONTENT [/Q]"
        "{% else %} CONTENT </s>{% endif %}{% endfor %}"
    )
    encoded = encoder.encode(explained())
    assert decoded(encoder, encoded) == [f"{COT.text} </s>", "happiness </s>"]
    assert encoded.input_ids.count(1) == 2  # the template's own, and none before them
    assert encoded.input_ids[0] == 1


def test_texts_before_an_answer_belong_to_the_prompt_if_the_template_says_so() -> None:
    thinking = (
        "{% for m in messages %}<s>{{ m['role'] }}\n{% if m['role'] == 'assistant' %}[T]{% endif %}"
        "CONTENT</s>\n{% endfor %}{% if add_generation_prompt %}<s>assistant\nPROMPTED{% endif %}"
    )
    learned = []
    for prompted in ("", "[T]"):
        encoder = llava(thinking.replace("PROMPTED", prompted))
        encoded = encoder.encode(label_conversation(Expression.FEAR, LABELS))
        learned += decoded(encoder, encoded)
    assert learned == ["[T]fear</s>", "fear</s>"]


def test_what_a_prompt_has_more_than_is_kept_stays_before_the_answer() -> None:
    # Gemma 4's way: an empty thought is part of the prompt, and of no turn that was written.
    encoder = llava(
        "{% for m in messages %}<s>{{ m['role'] }}\nCONTENT</s>\n{% endfor %}"
        "{% if add_generation_prompt %}<s>assistant\n[T][/T]{% endif %}"
    )
    encoded = encoder.encode(label_conversation(Expression.FEAR, LABELS))
    prompt = encoder.prompt(label_question(LABELS))
    assert encoded.input_ids[: len(prompt)] == prompt
    assert decoded(encoder, encoded) == ["fear</s>"]


def test_a_template_that_rewrites_what_was_said_is_refused() -> None:
    # Qwen3's way: the last answer is written otherwise than those before it.
    encoder = llava(
        "{% for m in messages %}<s>{{ m['role'] }}\n"
        "{% if loop.last and m['role'] == 'assistant' %}[T]{% endif %}CONTENT</s>{% endfor %}"
        "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
    )
    encoder.encode(label_conversation(Expression.FEAR, LABELS))
    with pytest.raises(TemplateError, match="writes a turn otherwise once the next has been said"):
        encoder.encode(explained())


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{% for m in messages %}{{ m['role'] }}: CONTENT\n{% endfor %}", "no control token after an answer"),
        ("{{ raise_exception('no such role') }}", "refuses the conversation: no such role"),
        ("{% for m in messages %}{{ m['content'][-1]['text'] }}</s>{% endfor %}", "refuses|no picture"),
        (
            "{% for m in messages %}{% if not loop.last %}{{ loop.length }}{% endif %}"
            "CONTENT</s>{% endfor %}",
            "writes the prompt otherwise once it is answered",
        ),
    ],
)
def test_templates_that_cannot_be_learned_from_are_refused(template: str, problem: str) -> None:
    with pytest.raises(TemplateError, match=problem):
        llava(template).encode(label_conversation(Expression.FEAR, LABELS))
