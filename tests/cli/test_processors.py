"""The shipped model says the same on every processor, with any number of threads, alone and among others."""

import os

import pytest
import torch
from calling import Result, process
from conftest import ASTRONAUT

from expllm.core.vocabulary import Expression
from expllm.grounding import Verdict, audit
from expllm.model.build import unpack_gguf
from expllm.model.presets import SMOLLM2_135M
from expllm.model.shipped import missing_packages

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_packages()), reason="needs the model's packages"),
]
FACES = ASTRONAUT.parent
CAPABILITIES = ("default", "avx2", "avx512")
"""Vector widths of PyTorch's own kernels; one that a processor lacks ends the process."""
HERE = torch.backends.cpu.get_cpu_capability().lower()
KNOWN = CAPABILITIES[: CAPABILITIES.index(HERE) + 1] if HERE in CAPABILITIES else ()
SETTINGS = [
    *({"ATEN_CPU_CAPABILITY": one, "OMP_NUM_THREADS": "1"} for one in KNOWN),
    *(
        {"ONEDNN_MAX_CPU_ISA": isa, "OMP_NUM_THREADS": "2"}
        for isa in ("SSE41", "AVX2", "AVX512_CORE", "AVX512_CORE_BF16", "AVX512_CORE_AMX")
    ),
    {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "OMP_NUM_THREADS": "1"},
    # More threads than cores: by default MKL would not have them.
    {"OMP_NUM_THREADS": "4", "MKL_DYNAMIC": "FALSE"},
]


def explained(*pictures: str, **settings: str) -> Result:
    names = {name for chosen in SETTINGS for name in chosen}
    plain = {name: value for name, value in os.environ.items() if name not in names}
    paths = [FACES / f"{picture}.jpg" for picture in pictures]
    shown = process(
        "analyze", *paths, "--model", "compact", "--format", "jsonl", "-q", env={**plain, **settings}
    )
    assert (shown.code, shown.err) == (0, "")
    return shown


@pytest.fixture(scope="module")
def text() -> str:
    """About the bundled picture, as this machine writes it by default."""
    unpack_gguf(SMOLLM2_135M)  # else the first child would take its time for it
    (face,) = explained("astronaut").analyses
    assert face.explanation is not None
    return face.explanation.text or ""


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: " ".join(map("=".join, settings.items())))
def test_the_bundled_picture(settings: dict[str, str], text: str) -> None:
    (face,) = explained("astronaut", **settings).analyses
    assert face.expression is Expression.HAPPINESS
    assert face.explanation is not None
    assert face.aus is not None
    assert face.explanation.text == text
    assert Verdict.CONTRADICTED not in audit(text, face.aus).counts


def test_a_face_is_told_of_as_well_among_others() -> None:
    """Two tokens of `render_neutral_2` are so close that 32 bits do not tell them apart."""
    pictures = ("render_neutral_2", "render_surprise", "render_anger")
    together = explained(*pictures).analyses
    alone = [explained(picture).analyses[0] for picture in pictures]
    assert [one.expression for one in together] == [one.expression for one in alone]
    assert [one.cot for one in together] == [one.cot for one in alone]
