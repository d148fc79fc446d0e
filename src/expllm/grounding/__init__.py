"""The grounding audit: a text becomes claims, and each claim is held against measured action units.

No model and no network take part. `read_claims` reads free text; `audit` also checks it.
"""

from expllm.grounding.audit import Audit, audit, audit_reading
from expllm.grounding.claims import Checked, Claim, DegreeWord, Half, Unread, Verdict
from expllm.grounding.conclusion import concluded
from expllm.grounding.emotions import EmotionMention
from expllm.grounding.places import half_of
from expllm.grounding.reader import TextReading, read_claims, read_text

__all__ = [
    "Audit",
    "Checked",
    "Claim",
    "DegreeWord",
    "EmotionMention",
    "Half",
    "TextReading",
    "Unread",
    "Verdict",
    "audit",
    "audit_reading",
    "concluded",
    "half_of",
    "read_claims",
    "read_text",
]
