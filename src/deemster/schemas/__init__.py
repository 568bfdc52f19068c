"""Frozen, typed records: everything that flows through deemster or is stored."""

from deemster.records import Count, Finite, Record, Text, Whole
from deemster.schemas.completion import Completion, TokenLogprob
from deemster.schemas.conversation import (
    Conversation,
    QueryLike,
    ReferenceLike,
    ResponseLike,
    as_query,
    as_reference,
    as_response,
    as_responses,
)
from deemster.schemas.decision import (
    TRUE_OR_FALSE,
    Decision,
    LabelShare,
    Option,
    Question,
    QuestionKind,
    dump_decisions,
    label_share,
    read_decisions,
)
from deemster.schemas.message import (
    FunctionCall,
    ImagePart,
    ImageUrl,
    Message,
    Role,
    TextPart,
    ToolCall,
)
from deemster.schemas.principle import Band, Principle, Rubric, normalise_weights
from deemster.schemas.sample import Sample, first_problem
from deemster.schemas.sampling import Sampling, SamplingSettings
from deemster.schemas.verdict import JudgeInfo, UnscoredError, Verdict
from deemster.schemas.vote import Critique, Failure, Judgment, Scale, Vote
from deemster.usage import Usage

__all__ = [
    "TRUE_OR_FALSE",
    "Band",
    "Completion",
    "Conversation",
    "Count",
    "Critique",
    "Decision",
    "Failure",
    "Finite",
    "FunctionCall",
    "ImagePart",
    "ImageUrl",
    "JudgeInfo",
    "Judgment",
    "LabelShare",
    "Message",
    "Option",
    "Principle",
    "QueryLike",
    "Question",
    "QuestionKind",
    "Record",
    "ReferenceLike",
    "ResponseLike",
    "Role",
    "Rubric",
    "Sample",
    "Sampling",
    "SamplingSettings",
    "Scale",
    "Text",
    "TextPart",
    "TokenLogprob",
    "ToolCall",
    "UnscoredError",
    "Usage",
    "Verdict",
    "Vote",
    "Whole",
    "as_query",
    "as_reference",
    "as_response",
    "as_responses",
    "dump_decisions",
    "first_problem",
    "label_share",
    "normalise_weights",
    "read_decisions",
]
