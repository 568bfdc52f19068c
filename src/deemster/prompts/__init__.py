"""Versioned template files, their renderer, and the treatment of text from outside."""

from deemster.prompts.official import OfficialPrompt, digest_of
from deemster.prompts.template import PromptTemplate, builtin_template
from deemster.prompts.untrusted import defuse, make_nonce
from deemster.prompts.view import View, conversation_text

__all__ = [
    "OfficialPrompt",
    "PromptTemplate",
    "View",
    "builtin_template",
    "conversation_text",
    "defuse",
    "digest_of",
    "make_nonce",
]
