"""Probabilities of the options' labels as the next token: a local model as a decision model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from jinja2 import TemplateError

from deemster.backends._local.work import Work
from deemster.backends.base import Outcome, Request, nothing_sampled
from deemster.backends.decision_file import KIND_NAMES, DecisionFile
from deemster.backends.label_prompts import (
    asked_text,
    decision_of,
    described,
    labels_of,
    prompt_parts,
)
from deemster.errors import BackendError, ContextLengthError, InputError
from deemster.schemas import Completion, Decision, Message, Question, Usage, dump_decisions

if TYPE_CHECKING:
    from deemster.backends._local.chat import Chat
    from deemster.backends._local.decoding import Runner

_MARK, _SPLIT = "<|mark|>", "<|split|>"
"""In templates: where the answer is read, and where the encoding is split."""
_NO_THINKING = {"enable_thinking": False}


@dataclass(frozen=True)
class Asked:
    """What a model is to read for some questions."""

    prompts: list[list[int]]
    """One per question; its answer is the next token."""
    labels: list[list[set[int]]]
    """Per question and option, the tokens that spell the option's label."""


class LabelReader:
    """Asks one model questions by the files next to its weights.

    Args:
        chat: the model's tokenizer and template.
        file: how it is asked.
        context: most tokens of a prompt; None: there is no limit.
    """

    def __init__(self, chat: Chat, file: DecisionFile, context: int | None) -> None:
        self._file = file
        self._context = context
        self._tokenizer = chat.tokenizer
        # Models that think first would not begin with a label.
        self._chat = replace(chat, template_args=_NO_THINKING | dict(chat.template_args))

    def ask(self, text: str, questions: Sequence[Question]) -> Asked:
        """What the model is to read.

        Args:
            text: what is asked about; from outside.
            questions: all of them.

        Raises:
            ContextLengthError: a prompt does not fit; nothing was cut.
            InputError: the labels are not single tokens, are too few, or the template does not
                mark a place for every question.
            BackendError: the chat template refuses the prompt.
        """
        labels = [self._label_ids(question) for question in questions]
        prompts = self._prompts(text, questions)
        longest = max(map(len, prompts))
        if self._context is not None and longest > self._context:
            raise ContextLengthError(
                f"the prompt of {longest} tokens does not fit the context of {self._context} "
                "tokens; nothing was cut: shorten the input or use a model with a longer context"
            )
        return Asked(prompts, labels)

    def decide(
        self, questions: Sequence[Question], spelled: Sequence[Sequence[Sequence[float]]]
    ) -> list[Decision]:
        """A decision per question.

        Args:
            questions: as in `ask`.
            spelled: per question and option, the log-probabilities of the tokens in `Asked.labels`.

        Raises:
            BackendError: the model gave no numbers.
        """
        return [
            decision_of(question, options, temperature=self._file.temperature_of(question.kind))
            for question, options in zip(questions, spelled, strict=True)
        ]

    def _label_ids(self, question: Question) -> list[set[int]]:
        """Per option the tokens that spell its label.

        Labels of a file are spelled as they stand there, others with or without a space before:
        which one a model says depends on how its prompt ends.
        """
        given = KIND_NAMES[question.kind] in self._file.labels
        tokenizer = self._tokenizer
        found: list[set[int]] = []
        for label in labels_of(question, self._file):
            spelled = [label] if given else [label, f" {label}"]
            ids = [tokenizer.encode(one, add_special_tokens=False) for one in spelled]
            found.append({one[0] for one in ids if len(one) == 1} - {tokenizer.unk_token_id})
        if not all(found) or len(set.union(*found)) < sum(map(len, found)):
            raise InputError(
                f"the labels {list(labels_of(question, self._file))} are not distinct single "
                "tokens of this model; give a decision.json with labels that are"
            )
        return found

    def _prompts(self, text: str, questions: Sequence[Question]) -> list[list[int]]:
        if self._file.chat_template is None:
            prompts = (prompt_parts(text, one, labels_of(one, self._file)) for one in questions)
            return [
                self._chat.encode((Message(role="user", content="".join(parts)),))
                for parts in prompts
            ]
        template = self._file.chat_template
        groups = [list(questions)] if "questions" in template else [[one] for one in questions]
        encoded: list[list[int]] = []
        for group in groups:
            rendered = self._rendered(template, text, group)
            pieces = rendered.split(_MARK)
            if len(pieces) not in {1, len(group) + 1} or (len(pieces) == 1 and len(group) > 1):
                raise InputError(
                    f"the decision template marks {len(pieces) - 1} places for {len(group)} "
                    "questions; models that read more than one place per question need a server: "
                    "'systemone:provider/model'"
                )
            ids: list[int] = []
            for piece in pieces[: len(group)]:
                ids = [*ids, *self._encoded(piece)]
                encoded.append(ids)
        return encoded

    def _rendered(self, template: str, text: str, group: Sequence[Question]) -> str:
        asked = [self._as_in_file(question) for question in group]
        try:
            rendered: str = self._chat.tokenizer.apply_chat_template(
                [{"role": "user", "content": ""}],
                chat_template=template,
                tokenize=False,
                add_generation_prompt=True,
                **{
                    **self._chat.template_args,
                    "state": self._guard(text),
                    "question": asked[0],
                    "questions": asked,
                },
            )
        except (TemplateError, TypeError, ValueError) as error:
            raise BackendError(f"the decision template refuses the question: {error}") from error
        return rendered

    def _as_in_file(self, question: Question) -> dict[str, Any]:
        """The question as templates take it."""
        guard = self._guard
        labels = dict(zip(question.options, labels_of(question, self._file), strict=True))
        options = list(question.options)
        if question.kind == "predicate":
            options.sort(key=lambda option: self._file.noul_options.index(option.value))
        score = question.kind == "score"
        return {
            "name": question.name,
            "type": KIND_NAMES[question.kind],
            "instructions": guard(question.instructions),
            "options": [
                str(i) if score else guard(option.value) for i, option in enumerate(options)
            ],
            "labels": [labels[option] for option in options],
            "descriptions": [
                guard(described(option) if score else option.description) or None
                for option in options
            ],
        }

    def _guard(self, text: str) -> str:
        return self._chat.encoder.guard(text.replace(_MARK, "").replace(_SPLIT, ""))

    def _encoded(self, piece: str) -> list[int]:
        encoder = self._chat.encoder
        return [one for part in piece.split(_SPLIT) if part for one in encoder.encode(part)]


class Answers(Work):
    """A request for decisions, which needs no steps: it ends when it begins.

    What the prompts have in common is read once, the rest in batches.

    Args:
        reader: of the model.
        runner: of the model.
        request: what is asked.
        rows: most prompts in a batch.
    """

    def __init__(self, reader: LabelReader, runner: Runner, request: Request, *, rows: int) -> None:
        begun = time.perf_counter()
        self.draws, self.parts, self._left = [], [], []
        asked = reader.ask(asked_text(request), request.questions)
        with torch.inference_mode():
            logits, self._tokens = runner.after(asked.prompts, rows=rows)
            logprobs = torch.log_softmax(logits.double(), dim=-1)
        spelled = [
            [row[list(tokens)].tolist() for tokens in options]
            for row, options in zip(logprobs, asked.labels, strict=True)
        ]
        self._decisions = reader.decide(request.questions, spelled)
        self.seconds = time.perf_counter() - begun

    def start(self, beside: int = 0) -> None:
        """Nothing is left to start."""

    def outcomes(self, model: str, n: int) -> list[Outcome]:
        """The completion of every draw."""
        usage = Usage(calls=1, tokens_in=self._tokens, seconds=self.seconds)
        text = dump_decisions(self._decisions)
        return nothing_sampled(Completion(text=text, model=model, usage=usage), n)
