"""Verdicts of released judges by a rubric, a key or a first line; a part of `verdict_forms`."""

from __future__ import annotations

R3_POINT = '{"explanation": "good", "score": 4}'
CONJ = '{"原因": "回答1更准确", "更好的回答": 1}'
COMPASS = (
    "满足用户需求：基本完成。打分：7。\n\n综合得分：6。\n\n"
    "{'事实正确性': 5, '满足用户需求': 7, '综合得分': 6}"
)
RUBRIC_RM = (
    "--- Compliance Check ---\nIdentified Gatekeeper Criterion: two lines\n\n--- Analysis ---\n"
    "**Response A:**\n- two lines: yes\n\n**Response B:**\n- two lines: no\n\n"
    "--- Final Judgment ---\nJustification: B has three.\nWinner: Response A"
)
GLIDER = (
    "<reasoning>\n- good\n</reasoning>\n<highlight>\n['a', 'b']\n</highlight>\n<score>\n4\n</score>"
)
CRITIC = '{"critiques": ["good", "bad"], "scores": [8, 3]}'

READ: tuple[tuple[str, tuple[float, ...], tuple[str, ...]], ...] = (
    (
        "selene",
        (4,),
        (
            "**Reasoning:** good\n\n**Result:** 4",
            "**Result:** **4**.",
            "Reasoning: good\n\nResult: 4/5",
            "**Result:**\n4",
            "Reasoning: The result: 2 is right. Result: 4",
            "＊＊Result：＊＊ ４<|eot_id|>",
        ),
    ),
    ("selene", (1, 0), ("**Result:** A", "**Result:** Response A", "Result: (A)</s>")),
    ("selene:points", (4,), ("**Result:** 4",)),
    ("selene:pair", (1, 0), ("**Result:** A",)),
    ("selene:yes-no", (1,), ("**Reasoning:** it does\n\n**Result:** Yes", "Result: **yes**.")),
    (
        "flow-judge",
        (4,),
        (
            "<feedback>good</feedback>\n<score>4</score>",
            "<feedback>good</feedback><score>\n4\n</score><|end|>",
            "```xml\n<feedback>good</feedback>\n<score>4/5</score>\n```",
            "<score>**４**</score>",
        ),
    ),
    ("flow-judge:3-point", (3,), ("<score>3</score>",)),
    ("flow-judge:binary", (0,), ("<score>0</score>",)),
    (
        "glider",
        (4,),
        (
            GLIDER,
            "<reasoning>not <score>2</score></reasoning><score>4</score><|end|>",
            "<score>4</score>",
        ),
    ),
    ("glider:3-point", (3,), ("<score>3</score>",)),
    ("glider:binary", (1,), ("<highlight>x</highlight><score>1</score>",)),
    ("prometheus:points", (4,), ("Feedback: good. [RESULT] 4",)),
    ("prometheus:pair", (1, 0), ("Feedback: A is right. [RESULT] A",)),
    (
        "compass-judger",
        (1, 0),
        (
            'A is right. {"Choice": "Model A"}',
            '```json\n{"Choice": "Model A"}\n```',
            '{"Choice": "A"}<|im_end|>',
            '{"Choice": "[Model A]"}',
            "[Model A]",
            "Model B is brief.\n\nThe better one is [Model A].",
        ),
    ),
    (
        "compass-judger",
        (6,),
        (
            COMPASS,
            "**综合得分**：6\n\n{'满足用户需求': 7, '综合得分': 6}<|im_end|>",
            '```json\n{"满足用户需求": 7, "综合得分": 6}\n```',
            "{'综合得分': '６'}",
        ),
    ),
    ("compass-judger:points", (6,), (COMPASS,)),
    ("compass-judger:pair", (1, 0), ('{"Choice": "Model A"}',)),
    (
        "con-j",
        (1, 0),
        (
            CONJ,
            CONJ.replace(" 1}", ' "1"}'),
            CONJ.replace(" 1}", ' "回答1"}'),
            f"```json\n{CONJ}\n```",
            CONJ.replace("更准确", '说"对"，更准确'),
            CONJ.replace(" 1}", " １}") + "<|im_end|>",
        ),
    ),
    ("rise", (1, 0), ("A 更准确。\n[[A]]", "结论：**[[A]]**", "［［Ａ］］<|im_end|>")),
    ("skywork-critic", (1, 0), ("[[A]]", "[[Assistant A]]", "[[A]]<|eot_id|>")),
    (
        "r3",
        (4,),
        (
            R3_POINT,
            R3_POINT.replace("4", '"4"'),
            f"```json\n{R3_POINT}\n```",
            R3_POINT.replace("good", 'says "yes", \\alpha'),
            f"{R3_POINT}<|im_end|>",
        ),
    ),
    (
        "r3",
        (1, 0),
        (
            '{"explanation": "good", "score": "Response 1"}',
            '{"score": "response  1", "explanation": "good"}',
        ),
    ),
    ("r3:points", (4,), (R3_POINT,)),
    ("r3:pair", (1, 0), ('{"explanation": "good", "score": "Response 1"}',)),
    (
        "r3:binary",
        (1,),
        (
            '{"explanation": "right", "score": true}',
            '{"explanation": "right", "score": "True"}',
        ),
    ),
    (
        "rubric-rm",
        (1, 0),
        (
            RUBRIC_RM,
            "**Winner:** Response A",
            "Winner: **Response A**",
            "Winner: [Response A]<|im_end|>",
            "Winner: A.",
        ),
    ),
    (
        "pandalm",
        (1, 0),
        (
            "1\n\n### Reason: It is right.\n\n### Reference: Four.",
            "**1**\n\n### Reason: It is right.",
            "1</s>",
        ),
    ),
    ("pandalm", (0.5, 0.5), ("Tie\n\n### Reason: Both are right.", "tie.")),
    ("judgelm", (9, 8.5), ("9 8.5", "9.0 8.5\nAssistant 1 is clearer.", "9 8.5</s>")),
    ("judgelm:first", (9, 8.5), ("9 8.5\nOr rather:\n7 7",)),
    (
        "auto-j",
        (5,),
        ("1. It is dull.\n\nRating: [[5]]", "**Rating: [[5]]**", "Rating: [[5.0]]</s>"),
    ),
    ("auto-j:points", (5,), ("Rating: [[5]]",)),
    ("auto-j:pair", (1, 0), ("So, the final decision is Response 1.",)),
    (
        "critic-json",
        (8, 3),
        (
            CRITIC,
            f"```json\n{CRITIC}\n```",
            f"My verdict: {CRITIC}",
            '{"scores": [8.0, 3]}',
            f"{CRITIC}<|im_end|>",
        ),
    ),
    ("critic-json", (8,), ('{"critique": "good", "score": 8}', '{"scores": [8]}')),
)
_TWO = "two different verdicts"
_SCALE = "off the scale"
REFUSED: tuple[tuple[str, int, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "selene",
        1,
        (
            ("The result is 4", "parse_error", "no label"),
            ("**Result:** 6", "parse_error", _SCALE),
            ("**Result:** 4 or 5", "parse_error", "two scores"),
            ("**Result:** A", "parse_error", "a letter for one response"),
            ("**Reasoning:** good, so the", "parse_error", "cut"),
            ("**Reasoning:** It prints the final result: 4", "parse_error", "cut in its reasons"),
            ("**Result:** 4\n**Result:** 5", "ambiguous", _TWO),
        ),
    ),
    (
        "selene",
        2,
        (
            ("**Result:** C", "parse_error", "no such response"),
            ("**Result:** A\n**Result:** B", "ambiguous", _TWO),
        ),
    ),
    ("selene:yes-no", 1, (("**Result:** Maybe", "parse_error", "neither Yes nor No"),)),
    (
        "flow-judge",
        1,
        (
            ("<feedback>good</feedback>", "parse_error", "no score"),
            ("<score>0</score>", "parse_error", _SCALE),
            ("<score>4.5</score>", "parse_error", "not a whole number"),
            ("<feedback>good</feedback><score>4", "parse_error", "cut"),
            ("<score>4</score><score>5</score>", "ambiguous", _TWO),
        ),
    ),
    ("flow-judge:binary", 1, (("<score>4</score>", "parse_error", "of another rubric"),)),
    (
        "glider",
        1,
        (
            ("<reasoning>good <score>4</score>", "parse_error", "reasons that do not end"),
            ("<score>bad</score>", "parse_error", "not a number"),
            ("<score>4</score> or <score>2</score>", "ambiguous", _TWO),
        ),
    ),
    (
        "compass-judger",
        2,
        (
            ('{"Choice": "Model C"}', "parse_error", "no such model"),
            ('{"Choice": "Model A', "parse_error", "cut"),
            ("[Model A] answers the question, and", "parse_error", "a mention, then cut"),
            ("[Model A] is worse.", "parse_error", "a mention"),
            ("Model A", "parse_error", "no brackets"),
            ('{"Choice": "Model A"} {"Choice": "Model B"}', "ambiguous", _TWO),
            ("[Model A] [Model B]", "ambiguous", _TWO),
        ),
    ),
    (
        "compass-judger",
        1,
        (
            ("{'事实正确性': 5}", "parse_error", "no overall score"),
            ("综合得分：6", "parse_error", "no dictionary"),
            ("{'综合得分': 11}", "parse_error", _SCALE),
            ("{'综合得分': 6", "parse_error", "cut"),
            ("{'综合得分': 6或7}", "parse_error", "two numbers"),
            ("{'综合得分': 6}\n{'综合得分': 7}", "ambiguous", _TWO),
        ),
    ),
    (
        "con-j",
        2,
        (
            ('{"原因": "好"}', "parse_error", "no choice"),
            (CONJ.replace(" 1}", " 3}"), "parse_error", "no such response"),
            (CONJ.replace(" 1}", " true}"), "parse_error", "not a number"),
            (CONJ[:-1], "parse_error", "cut"),
            (f"{CONJ} {CONJ.replace(' 1}', ' 2}')}", "ambiguous", _TWO),
        ),
    ),
    (
        "rise",
        2,
        (("[[C]]", "parse_error", "no tie"), ("[[A]] 不，[[B]]", "ambiguous", _TWO)),
    ),
    (
        "skywork-critic",
        2,
        (
            ("A", "parse_error", "no brackets"),
            ("[[A]] [[B]]", "ambiguous", _TWO),
        ),
    ),
    (
        "r3",
        1,
        (
            ('{"explanation": "good"}', "parse_error", "no score"),
            ('{"score": 6}', "parse_error", _SCALE),
            ('{"score": true}', "parse_error", "the verdict of r3:binary"),
            ('{"explanation": "good", "score": 4', "parse_error", "cut"),
            ('{"score": 4} {"score": 2}', "ambiguous", _TWO),
        ),
    ),
    (
        "r3",
        2,
        (
            ('{"score": "Response 3"}', "parse_error", "no such response"),
            ('{"score": 1}', "parse_error", "a number for two responses"),
        ),
    ),
    ("r3:binary", 1, (('{"score": 1}', "parse_error", "neither true nor false"),)),
    (
        "rubric-rm",
        2,
        (
            ("Winner: Neither", "parse_error", "no response"),
            ("Winner: Response A or Response B", "parse_error", "the prompt's own words"),
            (RUBRIC_RM[: RUBRIC_RM.index("Winner")], "parse_error", "cut"),
            ("Winner: Response A\nWinner: Response B", "ambiguous", _TWO),
        ),
    ),
    (
        "pandalm",
        2,
        (
            ("Response 1 is better.", "parse_error", "its own reader makes a tie of it"),
            ("3\n\n### Reason: none", "parse_error", "no such response"),
            ("1\n\n### Reason: no:\n2", "ambiguous", _TWO),
        ),
    ),
    (
        "judgelm",
        2,
        (("9", "parse_error", "one score for two responses"), ("9 8\n8 9", "ambiguous", _TWO)),
    ),
    (
        "auto-j",
        1,
        (
            ("Rating: 5", "parse_error", "no brackets"),
            ("Rating: [[11]]", "parse_error", _SCALE),
            ("Rating: [[5]] or [[6]]", "ambiguous", _TWO),
        ),
    ),
    (
        "critic-json",
        2,
        (
            ('{"scores": [8]}', "parse_error", "one score for two responses"),
            ('{"critiques": ["good"], "scores": [8, 3]}', "parse_error", "one critique for two"),
            ('{"scores": [8, "3"]}', "parse_error", "not a number"),
            (CRITIC[:-1], "parse_error", "cut"),
            (f"{CRITIC} {CRITIC.replace('[8, 3]', '[3, 8]')}", "ambiguous", _TWO),
        ),
    ),
    (
        "critic-json",
        1,
        (('{"critique": "bad", "score": 2} {"scores": [8]}', "ambiguous", "a score and a list"),),
    ),
)
