r"""The control tokens of chat templates, by family: what prompts respell in texts from outside.

For servers that tokenize the whole prompt, candidates included: a token spelled in a response
becomes the token itself and may end the turn. (A local model's encoder needs no table: it knows
its own tokens.) Templates that mark turns with plain words (`USER:`, `### Instruction:`) have no
tokens, and ordinary text cannot be told from them.

Sources: the models' chat templates and tokenizers, and llama.cpp's list of templates.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ControlTokens:
    """The tokens of some families of models.

    Args:
        models: who has them.
        start: their first character, behind which a space is put.
        rest: what follows it, as a regular expression.
        examples: some of them.
    """

    models: str
    start: str
    rest: str
    examples: tuple[str, ...]


CONTROL_TOKENS: tuple[ControlTokens, ...] = (
    ControlTokens(
        "ChatML (Qwen, Yi, InternLM, SmolLM, Hermes), Llama 3 and 4, Phi, Zephyr, Falcon 3, "
        "Command R, GLM, Granite, gpt-oss, Kimi K2, Hunyuan, OLMo, Megrez, GigaChat, dots, Step",
        "<",
        r"\\?\|",
        (
            *("<|im_start|>", "<|im_sep|>", "<|eot_id|>", "<|start_header_id|>", "<|end|>"),
            *("<|START_OF_TURN_TOKEN|>", "<|user|>", "<|start_of_role|>", "<|header_start|>"),
            *("<|start|>assistant", "<|im_middle|>", "<|extra_4|>", "<|role_start|>", "<|BOT|>"),
            *("<|tool_calls_section_begin|>", "<|endofuserprompt|>", "<|end_of_turn|>"),
        ),
    ),
    ControlTokens(
        "DeepSeek and Hunyuan, whose bars are full width",
        "<",
        "[|]",
        ("<\uff5cUser\uff5c>", "<\uff5cend▁of▁sentence\uff5c>", "<\uff5chy_Assistant\uff5c>"),
    ),
    ControlTokens(
        "Gemma 4",
        "<",
        r"\|[a-z_\"]|[a-z_\"]{1,40}\|>",
        ("<|turn>user", "<turn|>", "<|tool_call>", "<tool_call|>"),
    ),
    ControlTokens(
        "Llama 2, Mistral, and tokenizers of SentencePiece",
        "<",
        r"<?/?SYS>|/?(?:s|bos|eos|pad|unk|mask|sep|cls|BOS|EOS|PAD|UNK|MASK|SEP|CLS)>",
        ("<s>", "</s>", "<<SYS>>", "<</SYS>>", "<bos>", "<eos>", "<unk>", "<pad>"),
    ),
    ControlTokens(
        "Gemma, SmolVLM, Idefics, MiniMax-M1, PaliGemma",
        "<",
        r"/?(?:start|begin|beginning|end)_of_[a-z_]{1,40}>",
        ("<start_of_turn>", "<end_of_turn>", "<end_of_utterance>", "<beginning_of_sentence>"),
    ),
    ControlTokens(
        "ChatGLM, MOSS, InternLM, Yuan, Falcon, code models",
        "<",
        r"/?(?:sop|eop|eod|eoh|eoa|gmask|sep|EOT|EOD|PRE|SUF|MID|fim_[a-z]{1,20}|file_sep)>",
        ("<sop>", "<eoh>", "<eoa>", "<eod>", "<EOT>", "<fim_prefix>", "<file_sep>"),
    ),
    ControlTokens(
        "Nemotron and Minitron, Baichuan, Gemma's and T5's spare tokens",
        "<",
        r"(?:extra_id|SPECIAL|reserved|reserved_token|unused|mask)[_:]?[0-9]{1,6}>",
        ("<extra_id_0>System", "<extra_id_1>User", "<SPECIAL_10>", "<SPECIAL_12>",
         "<reserved_106>", "<unused0>"),
    ),
    ControlTokens(
        "Command R and Aya (ends of text); LLM-jp",
        "<",
        r"(?:BOS|EOS|EOP|MASK|UNK)_TOKEN>|/?[A-Za-z]{1,4}\|LLM-jp>",
        ("<BOS_TOKEN>", "<EOS_TOKEN>", "<EOP_TOKEN>", "<EOD|LLM-jp>", "</s|LLM-jp>"),
    ),
    ControlTokens(
        "Molmo and LLaVA, InternVL; FunctionGemma; Baichuan-M1; GLM's arguments",
        "<",
        r"im_(?:start|end|patch|col|low)>|IMG_CONTEXT>|(?:start|end)_function_[a-z]{1,20}>"
        r"|C_[QA]>|B_(?:SYS|USYS|FUNC|CODE|APE)>|/?arg_(?:key|value)>",
        ("<im_start>", "<im_end>", "<IMG_CONTEXT>", "<start_function_call>",
         "<end_function_response>", "<C_Q>", "<C_A>", "<B_SYS>", "</arg_value>"),
    ),
    ControlTokens(
        "Seed-OSS, LongCat",
        "<",
        r"/?(?:seed:|longcat_)[a-z_]{1,40}>",
        ("<seed:bos>", "<seed:eos>", "<longcat_user>", "<longcat_assistant>", "<longcat_s>"),
    ),
    ControlTokens(
        "MiniCPM, TeleChat, Ling (Bailing)",
        "<",
        r"(?:用户|AI)>|_(?:user|bot|system|start|end|pad|observation)>|/?role>",
        ("<用户>", "<AI>", "<_user>", "<_bot>", "<_end>", "<role>HUMAN</role>"),
    ),
    ControlTokens(
        "tool calls of Qwen, Hermes, Granite, GLM, MiniMax and others; pictures",
        "<",
        r"/?(?:(?:minimax:)?tool_(?:call|response|result)s?|tools?|image)>",
        ("<tool_call>", "</tool_call>", "<tool_response>", "<minimax:tool_call>", "<image>"),
    ),
    ControlTokens(
        "Mistral",
        "[",
        r"/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|MODEL_SETTINGS|TOOL_(?:CALLS|RESULTS|CONTENT)"
        r"|ARGS|CALL_ID|IMG(?:_BREAK|_END)?|(?:BEGIN_)?AUDIO|PREFIX|MIDDLE|SUFFIX)\]",
        ("[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CALLS]", "[ARGS]",
         "[CALL_ID]", "[AVAILABLE_TOOLS]", "[MODEL_SETTINGS]", "[IMG_END]"),
    ),
    ControlTokens(
        "GLM, Kimi, Grok and encoders; InternLM 2, Pangu's roles; Skywork's",
        "[",
        r"(?:[BE]OS|EOT|PAD|UNK|MASK|SEP|CLS|USER|BOT|gMASK|sMASK|unused[0-9]{1,4}"
        r"|UNUSED_TOKEN_[0-9]{1,4}|extra_id_[0-9]{1,4})\]",
        ("[gMASK]", "[CLS]", "[SEP]", "[EOT]", "[USER]", "[BOT]", "[unused9]", "[unused10]",
         "[UNUSED_TOKEN_146]user", "[UNUSED_TOKEN_145]", "[extra_id_0]"),
    ),
    ControlTokens(
        "EXAONE, BlueLM",
        "[",
        r"\|[A-Za-z_]{1,40}\|\]",
        ("[|user|]", "[|assistant|]", "[|endofturn|]", "[|Human|]"),
    ),
    ControlTokens("MiniMax-M2", "[", r"e~\[", ("[e~[",)),
    ControlTokens("MiniMax-M2", "]", r"~!?b[\[\]]", ("]~b]user", "]~!b[")),
)  # fmt: skip


def following(start: str) -> str:
    """What may follow the first character `start` of a control token, as a regular expression."""
    return "|".join(tokens.rest for tokens in CONTROL_TOKENS if tokens.start == start)
