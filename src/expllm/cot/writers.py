"""Who writes: an LLM behind a chat endpoint, or rules. Both take the same five small steps.

A writer answers; it does not judge whether an answer will do. The rule-based one gets the measurements
themselves and never reads a prompt.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from expllm.chat import ChatModel, Message, Reply, Usage
from expllm.core.vocabulary import Expression
from expllm.cot.case import Case, Feedback, course_text, labels_text, positive_text, unknown_text
from expllm.cot.course_writer import course_of, write_course
from expllm.cot.prompt_set import Prompts
from expllm.cot.rule_writer import conclude, describe, interpret, observe, write_cot
from expllm.cot.sample_session import SampleSession


class CotWriter(Protocol):
    """The steps that a language model takes in the engine (paper, section III-B)."""

    identity: str

    async def describe(self, session: SampleSession, case: Case, feedback: Feedback | None) -> str:
        """AU2Des: the face in words, from the action units alone; after feedback, the revised words."""

    async def express(self, session: SampleSession, case: Case, again: bool) -> str:
        """Des2Exp: the expression that the last description names, as it was answered."""

    async def judge(self, session: SampleSession, case: Case, again: bool) -> str:
        """Result Verification: 'Correct' or 'Incorrect', as it was answered."""

    async def refine(
        self, session: SampleSession, case: Case, expression: Expression, draft: str, problems: Sequence[str]
    ) -> str:
        """Format Refinement of `draft`; where `problems` are named, of what was refined before."""

    def drafting(self, number: int) -> "CotWriter":
        """The same writer for one of several drafts, which answer the same questions; 1 is the first."""

    async def close(self) -> None:
        """Ends connections."""


class LLMWriter:
    """Asks a chat model.

    Args:
        chat: Any OpenAI-compatible endpoint.
        prompts: What is said to it.
        redrawn: The model for a draft, by its number: a cache or a batch would answer equal questions alike.
            None: always the same one.
    """

    def __init__(
        self, chat: ChatModel, prompts: Prompts, redrawn: Callable[[int], ChatModel] | None = None
    ) -> None:
        self.identity = chat.identity
        self._chat = chat
        self._prompts = prompts
        self._redrawn = redrawn

    def drafting(self, number: int) -> "LLMWriter":
        return LLMWriter(self._redrawn(number), self._prompts) if self._redrawn else self

    async def describe(self, session: SampleSession, case: Case, feedback: Feedback | None) -> str:
        if feedback is None:
            unknown = unknown_text(case.aus) + course_text(case.course)
            prompt = self._prompts.fill("describe", positive=positive_text(case.aus), unknown=unknown)
            return await self._say(session, "AU2Des", prompt)
        problems = "".join(f"\n- {problem}" for problem in feedback.problems)
        if feedback.hint is None:
            return await self._say(
                session, "Feedback Reflection", self._prompts.fill("feedback", problems=problems)
            )
        prompt = self._prompts.fill("feedback_hint", expression=feedback.hint.capitalize(), problems=problems)
        return await self._say(session, "Feedback Reflection", prompt)

    async def express(self, session: SampleSession, case: Case, again: bool) -> str:
        name = "express_again" if again else "express"
        return await self._say(session, "Des2Exp", self._prompts.fill(name, labels=labels_text(case.labels)))

    async def judge(self, session: SampleSession, case: Case, again: bool) -> str:
        # Beside the conversation, not in it: this prompt names the true label, which nobody may be told yet.
        truth = case.truth.capitalize() if case.truth else "what the description says"
        prompt = self._prompts.fill("verify", positive=positive_text(case.aus), expression=truth)
        if again:
            prompt = f"{prompt}\n{self._prompts.fill('verify_again')}"
        return await self._ask(
            session, "Result Verification", [*session.conversation, Message("user", prompt)]
        )

    async def refine(
        self, session: SampleSession, case: Case, expression: Expression, draft: str, problems: Sequence[str]
    ) -> str:
        original = session.description
        prompt = self._prompts.fill("refine", analysis=original, expression=expression.capitalize())
        messages = [Message("user", prompt)]
        if problems:
            again = self._prompts.fill("refine_again", problems=" ".join(problems))
            messages += [Message("assistant", draft), Message("user", again)]
        return await self._ask(session, "Format Refinement", messages)

    async def close(self) -> None:
        await self._chat.close()

    async def _say(self, session: SampleSession, step: str, prompt: str) -> str:
        session.conversation.append(Message("user", prompt))
        text = await self._ask(session, step, session.conversation)
        session.conversation.append(Message("assistant", text))
        return text

    async def _ask(self, session: SampleSession, step: str, messages: Sequence[Message]) -> str:
        asked = list(messages)
        key = (text for message in asked for text in (message.role, message.content))
        call = await session.ask(step, str(asked[-1].content), key, lambda: self._chat.ask(asked))
        return call.text


class RuleWriter:
    """Writes by rules over the action units: no network, no model.

    It names the expression that the movements speak for most; told that it was wrong, the next likely one.
    """

    identity = "offline"

    def drafting(self, number: int) -> "RuleWriter":
        return self

    async def describe(self, session: SampleSession, case: Case, feedback: Feedback | None) -> str:
        guess = feedback.hint if feedback and feedback.hint else self._guess(session, case)
        if case.course:
            text = self._written(case, guess)
        else:
            observations = describe(case.aus)
            parts = (observe(observations), interpret(observations, guess), conclude(observations, guess))
            text = " ".join(parts)
        step = "AU2Des" if feedback is None else "Feedback Reflection"
        session.guess = guess
        return await self._answer(session, step, text, guess)

    async def express(self, session: SampleSession, case: Case, again: bool) -> str:
        guess = session.guess or self._guess(session, case)
        return await self._answer(session, "Des2Exp", guess.capitalize(), guess)

    async def judge(self, session: SampleSession, case: Case, again: bool) -> str:
        right = case.truth is None or session.guess is case.truth
        return await self._answer(
            session, "Result Verification", "Correct" if right else "Incorrect", session.guess
        )

    async def refine(
        self, session: SampleSession, case: Case, expression: Expression, draft: str, problems: Sequence[str]
    ) -> str:
        return await self._answer(session, "Format Refinement", self._written(case, expression), expression)

    async def close(self) -> None:
        return None

    def _written(self, case: Case, expression: Expression) -> str:
        if case.course:
            return write_course(course_of(case), expression, rest=True).text
        return write_cot(case.aus, expression).text

    def _guess(self, session: SampleSession, case: Case) -> Expression:
        scores = describe(case.aus).scores
        ranked = sorted(case.labels, key=lambda label: -scores[label])  # stable: the set's order breaks ties
        return ranked[(session.round - 1) % len(ranked)]

    async def _answer(self, session: SampleSession, step: str, text: str, about: Expression | None) -> str:
        async def reply() -> Reply:
            return Reply(
                text=text, model=self.identity, finish="stop", usage=Usage(0, 0), cost=0.0, seconds=0.0,
                attempts=0, refused=False, cached=False,
            )  # fmt: skip

        prompt = f"{step}, round {session.round}" + (f": {about.value}" if about else "")
        return (await session.ask(step, prompt, (self.identity, step, str(session.round), text), reply)).text
