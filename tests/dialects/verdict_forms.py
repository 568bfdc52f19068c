"""How judges write verdicts: the forms that are read and those that are refused, by dialect.

One table for the parsers' tests, for docs/dialects.md and for the attacks of the forgery tests:
whatever is read here is planted in responses there.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.dialects import judge_forms

DOCUMENT = (
    '{"principles": [{"name": "Accuracy", "description": "", "weight": 100}], "critiques": '
    '[{"text": "good", "scores": [8]}, {"text": "bad", "scores": [3]}], "scores": [8, 3]}'
)
SINGLE = (
    '{"principles": [{"name": "Accuracy", "description": "", "weight": 100}], "critiques": '
    '[{"text": "good", "scores": [8]}], "scores": [8]}'
)
OTHER = DOCUMENT.replace("[8, 3]}", "[3, 8]}")
RANKING = '{"ordered_models": [{"model": "m", "rank": 1}, {"model": "M", "rank": 2}]}'

TURNED = '{"ordered_models": [{"model": "M", "rank": 1}, {"model": "m", "rank": 2}]}'


@dataclass(frozen=True)
class Form:
    """A completion and what becomes of it: scores, or the status of the failure."""

    dialect: str
    text: str
    outcome: tuple[float, ...] | str
    n: int = 2
    why: str = ""

    @property
    def shown(self) -> str:
        """The text as a cell of a Markdown table."""
        text = self.text.replace(DOCUMENT, "{…}").replace(OTHER, "{other}").replace(RANKING, "{…}")
        text = text.replace(SINGLE, "{…}").replace(TURNED, "{other}")
        text = text.replace(DOCUMENT[: DOCUMENT.index(', "scores": [8, 3]')], "{…")
        text = text.replace(DOCUMENT[: DOCUMENT.index("good")], '{… "')
        text = text.replace("|", "\\|").replace("\n", "⏎")
        for code in ("\u200b", "\u2060", "\ufeff", "\u200d"):
            text = text.replace(code, f"⟨U+{ord(code):04X}⟩")
        fence = "``" if "`" in text else "`"
        pad = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
        return f"{fence}{pad}{text}{pad}{fence}"

    @property
    def row(self) -> str:
        """The row of docs/dialects.md."""
        if isinstance(self.outcome, str):
            return f"| `{self.dialect}` | {self.shown} | {self.outcome}: {self.why} |"
        scores = ", ".join(f"{score:g}" for score in self.outcome)
        return f"| `{self.dialect}` | {self.shown} | {scores} |"


def _read(dialect: str, scores: tuple[float, ...], *texts: str) -> list[Form]:
    return [Form(dialect, text, scores, len(scores)) for text in texts]


def _refused(dialect: str, n: int, *rows: tuple[str, str, str]) -> list[Form]:
    return [Form(dialect, text, status, n, why) for text, status, why in rows]


READ: list[Form] = [
    *_read(
        "grm",
        (8, 7),
        r"Scores: \boxed{8, 7}",
        r"**Scores:** $\boxed{8,7}$",
        r"Scores: \boxed{\text{8, 7}}",
        r"Scores: \boxed{\textbf{8}, \mathbf{7}}",
        r"Scores: \boxed{\left[8,\ 7\right]}",
        r"Scores: \boxed{8/10, 7/10}",
        r"Scores: \boxed{8.0, **7**}",
        r"Scores: \boxed{Response 1: 8, Response 2: 7}",
        "Scores： \\boxed{８，７}",
        "评分：\\boxed{８， ７}",
        "Score\u200bs: \\box\u2060ed{8,\ufeff 7}",
        "Puntuaciones: \\boxed{8, 7}",
        "Notes finales : \\boxed{8, 7}",
        "Bewertungen: \\boxed{8, 7}",
        "Scores: \\boxed{8, 7}<|im_end|>",
    ),
    *_read("grm", (9,), r"Score: \boxed{9}", r"Score: \boxed{\text{9/10}}"),
    *_read(
        "pairwise",
        (1, 0),
        r"\boxed{1}",
        r"\boxed{\text{Response 1}}",
        r"\boxed{Answer~1}",
        r"$\boxed{\mathbf{1}}$",
        "\\boxed{１}",
    ),
    *_read(
        "arena-hard",
        (1, 0),
        "[[A>>B]]",
        "[[A >> B]]",
        "[[**A>>B**]]",
        "［［Ａ＞＞Ｂ］］",
        "[[A>\u200b>B]]</s>",
    ),
    *_read("arena-hard", (0.75, 0.25), "[[A > B]]"),
    *_read(
        "mt-bench-pair",
        (1, 0),
        "[[A]]",
        "[[**A**]]",
        '[["A"]]',
        "[[Assistant A]]",
        "［［Ａ］］",
    ),
    *_read(
        "mt-bench-single",
        (8,),
        "Rating: [[8]]",
        "[[Rating: 8]]",
        "[[RATING:8/10]]",
        "[[**8**]]",
        "[[8/10]]",
        "[[평점: 8]]",
        "[[评分：8]]",
        "［［８］］",
        "[[8.0]]<|eot_id|>",
    ),
    *_read("mt-bench-single:last", (8,), "[[3]] no, [[Rating: 8]]"),
    *_read(
        "prometheus",
        (4,),
        "[RESULT] 4",
        "[RESULT] **4**",
        "[RESULT] 4/5",
        "［RESULT］ ４",
        "[RESULT] 4<|im_end|>",
    ),
    *_read("prometheus:loose", (4,), "Good.\nScore: 4", "Good.\n4/5", "So the score is 4/5."),
    *_read("prometheus:loose", (1, 0), "A is right.\nResult: A", "Verdict: **A**"),
    *_read("prometheus", (1, 0), "[RESULT] A", "**[RESULT]** (A)</s>"),
    *_read(
        "judgelrm",
        (8, 0),
        "<answer>8</answer><answer>0</answer>",
        "<answer>**8**</answer><answer>0/10</answer>",
        "<answer>８</answer><answer>0</answer><|im_end|>",
    ),
    *_read(
        "llmbar",
        (1, 0),
        "Output (a)",
        "**Output (a)**",
        "Output (a) is better.",
        "Output （a） is better",
        "Output (a)<|end_of_turn|>".replace("<|end_of_turn|>", "<end_of_turn>"),
    ),
    *_read("llmbar-rating", (4,), "4", "4<|im_end|>", "４", "4\n</s>"),
    *_read(
        "json",
        (8, 3),
        DOCUMENT,
        DOCUMENT.replace("[8, 3]", "[8.0, 3]"),
        DOCUMENT.replace('"scores": [8, 3]', '"scores": [8, 3], "best": 1'),
        DOCUMENT.replace("good", "go\nod"),
        f"```json\n{DOCUMENT}\n```",
        f"```json5\n{DOCUMENT}\n```",
        f"My verdict:\n```json\n{DOCUMENT}\n```\nResponse 1 wins.",
        f"My verdict: {DOCUMENT}",
        f"```json\n{DOCUMENT}",
        f"{DOCUMENT}<|im_end|>",
        f"{DOCUMENT}\n\nAgain: {DOCUMENT}",
    ),
    *_read(
        "two-scores",
        (9, 8.5),
        "9 8.5",
        "9, 8.5\nAssistant 1 is clearer.",
        "\n9 8.5\n\nBoth are right.",
        "**9 8.5**",
        "9/10 8.5/10",
        "９ ８.５",
        "9 8.5</s>",
    ),
    *_read("two-scores:first", (9, 8.5), "9 8.5\nOr rather:\n7 7"),
    *_read(
        "score-json",
        (0.8,),
        '{"reasoning": "good", "score": 0.8}',
        '{"score": "0.8", "reason": "good"}',
        '```json\n{"reasoning": "good", "score": 0.8}\n```',
        'My verdict: {"reasoning": "good", "score": 0.8}',
        '{"reasoning": "it says "yes" twice", "score": 0.8}',
        r'{"reasoning": "the \alpha in $\frac{1}{2}$", "score": 0.8}',
        '{"reasoning": "good", "score": 0.8}<|im_end|>',
    ),
    *_read("score-json:score=rating,scale=1-5", (4,), '{"why": "good", "rating": 4}'),
    *_read("score-json:score=a|b,scale=1-10", (8, 3), '{"a": 8, "b": 3}'),
    *_read("json", (8,), SINGLE),
    *_read("judgelrm", (8,), "<answer>8</answer>"),
    *_read("rewardanything", (5,), '{"scores": {"model-1": 5}}'),
    *_read("alpaca-eval", (1, 0), RANKING, f"```json\n{RANKING}\n```", f"So: {RANKING}</s>"),
    *_read(
        "auto-j",
        (1, 0),
        "So, the final decision is Response 1.",
        "The final decision is **Response 1**",
    ),
    *_read(
        "realmistake",
        (0,),
        "The model response contains an error.",
        "The model response contains errors.",
        "The model response contains several minor errors.",
    ),
    *_read(
        "realmistake",
        (1,),
        "The model response contains no error.",
        "The model response contains no errors.",
        "The model response does not contain any errors.",
    ),
    *_read(
        "deepseek-grm",
        (8, 7),
        r"Specific Criteria: 1. Accuracy (60%): right. 2. Tone (40%): kind. "
        r"Analysis: Response 1: right. Response 2: wrong. Scores: \boxed{8, 7}",
        r"Scores: \boxed{8, 7}",
        r"Scores: \boxed{8, 7}<｜end▁of▁sentence｜>",
    ),
    *_read("deepseek-grm", (9,), r"Score: \boxed{9}"),
    *_read("deepseek-grm:binary", (1,), r"Scores: \boxed{1}"),
    *_read(
        "rewardanything",
        (4, 2),
        '{"scores": {"model-1": 4, "model-2": 2}, "best-to-worst": ["model-1", "model-2"]}',
        '{"scores": {"model-1": "4", "model-2": 2.0}, "best-to-worse": ["model-1", "model-2"]}',
        '```json\n{"scores": {"model-2": 2, "model-1": 4}}\n```',
        'So: {"scores": {"model-1": 4, "model-2": 2}, "best-to-worst": ["model-1"]}<|im_end|>',
    ),
    *_read(
        "nemotron-genrm",
        (4, 2),
        "[The Begin of Individual Scores]\n\\boxed{4, 2}\n[The End of Individual Scores]\n\n"
        "[The Begin of Ranking Score]\n\\boxed{2}\n[The End of Ranking Score]",
        "**[The Begin of Individual Scores]**\n$\\boxed{4, 2}$\n**[The Begin of Ranking Score]** "
        "\\boxed{1}",
        "[the begin of individual scores] \\boxed{4.0, 2/5}",
        "［The Begin of Individual Scores］ \\boxed{４, ２}<|eot_id|>",
    ),
    *_read("nemotron-genrm", (4,), "[The Begin of Individual Scores] \\boxed{4}"),
    *_read(
        "nemotron-genrm:ranking",
        (0.8, 0.2),
        "[The Begin of Individual Scores] \\boxed{3, 3} [The Begin of Ranking Score] \\boxed{2}",
    ),
    *_read(
        "nemotron-genrm-json",
        (4, 2),
        '{"score_1": 4, "score_2": 2, "ranking": 2}',
        '```json\n{"score_1": 4, "score_2": 2, "ranking": 2}\n```',
        '{"overall": {"score_1": 4, "score_2": 2, "ranking": 2}}',
        'Both are fine. {"overall": {"score_1": "4", "score_2": 2, "ranking": 2}} Done.',
        '{"score_1": 4, "score_2": 2}<|im_end|>',
    ),
    *_read("nemotron-genrm-json:ranking", (0.8, 0.2), '{"score_1": 3, "score_2": 3, "ranking": 2}'),
    *_read(
        "nemotron-principle",
        (1,),
        "Final Judgement: Yes",
        "It does.\n\n**Final Judgement:** Yes",
        "Final Judgment: **yes**.",
        "Final Judgement: Yes, it is polite.",
        "Final Judgement： Ｙｅｓ<|im_end|>",
    ),
    *_read(
        "rm-r1",
        (1, 0),
        "<type>Chat</type><rubric>Accuracy (100%)</rubric><answer>[[A]]</answer>",
        "<answer> [[A]] </answer>",
        "<answer>[[Chatbot A]]</answer>",
        "**[[A]]**",
        "<answer>A</answer>",
        "<answer>［［Ａ］］</answer><|im_end|>",
    ),
    *_read("rm-r1-distilled", (1, 0), "<answer>[[A]]</answer>", "[[A]]"),
    *_read("j1", (1, 0), "<answer>[[A]]</answer>", "<answer> A </answer>", "[[Assistant A]]"),
    *_read(
        "j1-scores",
        (7.5, 4),
        "<score_A>7.5</score_A> <score_B>4</score_B>",
        "<score_a> **7.5** </score_a>\n<score_B>4.0/10</score_B>",
        "<score_B>4</score_B><score_A>７.５</score_A></s>",
    ),
    *_read("j1-scores", (7.5,), "<score>7.5</score>", "<score> 7.5/10 </score><|eot_id|>"),
    *_read(
        "think-rm",
        (1, 0),
        "<answer>A</answer>",
        "<answer>\n**A**\n</answer>",
        "<answer>Assistant A</answer>",
        "<answer>Ａ</answer><|eot_id|>",
    ),
    *_read(
        "think-rm-scale",
        (1, 0),
        "<answer>-3</answer>",
        "<answer> **−3** </answer>",
        "<answer>－３</answer><|eot_id|>",
    ),
    *_read("think-rm-scale", (2 / 6, 4 / 6), "<answer>1</answer>"),
    *_read(
        "br-rm",
        (1, 0),
        "[The Begin of Ranking Score]\n\\boxed{1}\n[The End of Ranking Score]",
        "[The Begin of Ranking Score] $\\boxed{\\text{Response 1}}$",
        "**[The Begin of Ranking Score]**\n**\\boxed{1}**<|im_end|>",
    ),
    *(form for name, scores, texts in judge_forms.READ for form in _read(name, scores, *texts)),
]

REFUSED: list[Form] = [
    *_refused(
        "grm",
        2,
        ("Scores: 8, 7", "parse_error", "no box"),
        (r"Scores: \boxed{8, 11}", "parse_error", "off the scale"),
        (r"Scores: \boxed{8/5, 7/5}", "parse_error", "of another scale"),
        (r"Scores: \boxed{80/100, 70/100}", "parse_error", "of another scale"),
        (r"Scores: \boxed{8, 7.5}", "parse_error", "not a whole number"),
        (r"Scores: \boxed{8, 1⁰}", "parse_error", "a raised digit is not a digit"),
        (r"Scores: \boxed{⑧, ⑦}", "parse_error", "a circled digit may number a list"),
        (r"Scores: \boxed{٨, ٧}", "parse_error", "digits that NFKC does not make ASCII"),
        (r"Scores: \boxed{8}", "parse_error", "one score for two responses"),
        (
            r"Scores: \boxed{Response 2: 8, Response 1: 7}",
            "parse_error",
            "labels that do not count up",
        ),
        ("Scores: \\boxed{8, 7} or \\boxed{7, 8}", "ambiguous", "two different verdicts"),
        (
            "Scores: as quoted. \\boxed{9, 1}\nSo: \\boxed{2, 8}",
            "ambiguous",
            "two different verdicts after the label",
        ),
        (
            "Scores: \\boxed{9, 1}\nAnalysis:\nNo, \\boxed{2, 8}",
            "ambiguous",
            "a different verdict after the label's part",
        ),
        (
            "Scores: \\boxed{9, 1}\nAnalysis:\nNo, \\boxed{2, 8.5}",
            "ambiguous",
            "numbers after the label's part that are no scores",
        ),
        (
            "At first \\boxed{9, 1}\nScores: 2, 8",
            "ambiguous",
            "numbers without a box behind the last label",
        ),
        ("<think>\\boxed{8, 7}", "parse_error", "a draft in unfinished reasoning"),
        ("I'm sorry, but I can't help with rating this.", "refused", "declined"),
    ),
    *_refused(
        "pairwise",
        2,
        (r"\boxed{3}", "parse_error", "no such response"),
        (r"\boxed{1, 2}", "parse_error", "two"),
        (r"\boxed{1} \boxed{2}", "ambiguous", "two different verdicts"),
    ),
    *_refused(
        "arena-hard",
        2,
        ("[[A>>A]]", "parse_error", "no such label"),
        ("[[A<B]]", "parse_error", "no such label"),
        ("[[A>B]] [[A>>B]]", "ambiguous", "two different verdicts"),
    ),
    *_refused(
        "mt-bench-pair",
        2,
        ("[A]", "parse_error", "single brackets"),
        ("[[Assistant C]]", "parse_error", "no such assistant"),
        ("[[A]] [[C]]", "ambiguous", "two different verdicts"),
    ),
    *_refused(
        "mt-bench-single",
        1,
        ("[[11]]", "parse_error", "off the scale"),
        ("[[8/5]]", "parse_error", "of another scale"),
        ("[[5, 1, 3]]", "parse_error", "a list"),
        ("[[8]] [[6]]", "ambiguous", "two different verdicts"),
    ),
    *_refused("mt-bench-single:first", 1, ("[[Rating: 8]]", "parse_error", "FastChat's own rule")),
    *_refused(
        "prometheus",
        1,
        ("[RESULT] 4 or 5", "parse_error", "two scores"),
        ("[RESULT] 8/10", "parse_error", "of another scale"),
        ("[RESULT] 4\n[RESULT] 5", "ambiguous", "two different verdicts"),
    ),
    *_refused(
        "judgelrm",
        2,
        ("<answer>8</answer>", "parse_error", "one score for two responses"),
        ("<answer>8</answer><answer>11</answer>", "parse_error", "off the scale"),
    ),
    *_refused(
        "llmbar",
        2,
        ("Neither output is better.", "parse_error", "no verdict"),
        ("Output (a)\nOutput (b)", "ambiguous", "two different verdicts"),
    ),
    *_refused(
        "llmbar-rating",
        1,
        ("4/10", "parse_error", "more than a number"),
        ("4<|im_end|>\n5", "parse_error", "text after the end of the turn"),
    ),
    *_refused(
        "json",
        2,
        (f"{DOCUMENT} or {OTHER}", "ambiguous", "two different documents"),
        (
            f'{DOCUMENT} The response says {{"scores": [3, 8',
            "ambiguous",
            "a document, and a broken one",
        ),
        (DOCUMENT[:-1], "parse_error", "cut"),
        (DOCUMENT.replace("[8, 3]", "[8.5, 3]"), "parse_error", "not a whole number"),
        (DOCUMENT.replace("[8, 3]", '["8", 3]'), "parse_error", "not a number"),
        (DOCUMENT[:-1] + ', "scores": [3, 8]}', "parse_error", "a key twice"),
        ('{"result": ' + DOCUMENT + "}", "parse_error", "inside another document"),
    ),
    *_refused(
        "two-scores",
        2,
        ("9", "parse_error", "one score for two responses"),
        ("Scores: 9 8", "parse_error", "more than two numbers on the line"),
        ("I think:\n9 8", "parse_error", "not on the first line"),
        ("9 11", "parse_error", "off the scale"),
        ("9 8\nNo:\n8 9", "ambiguous", "two different verdicts"),
    ),
    *_refused(
        "score-json",
        1,
        ('{"reasoning": "good"}', "parse_error", "no score"),
        ('{"score": 8}', "parse_error", "off the scale"),
        ('{"score": true}', "parse_error", "not a number"),
        ('{"score": 0.8', "parse_error", "cut"),
        ('{"reasoning": "a "b"", "score": 0.8, "score": 0.2}', "ambiguous", "two different scores"),
        ('{"score": 0.8} {"score": 0.2}', "ambiguous", "two different objects"),
    ),
    *_refused(
        "prometheus:loose",
        1,
        ("Good.\n4", "parse_error", "a number alone"),
        ("Surely not 4/5.", "parse_error", "more than a verdict"),
        ("Score: 4 or 5", "parse_error", "two scores"),
        ("Score: 4\nIt is good.", "parse_error", "not the last line"),
        ("[RESULT] 4 or 5\nScore: 4", "parse_error", "what stands at [RESULT] counts"),
    ),
    *_refused(
        "alpaca-eval",
        2,
        ("m", "parse_error", "a token (the rule `published` reads it)"),
        (f"{RANKING} or {TURNED}", "ambiguous", "two different rankings"),
    ),
    *_refused(
        "judgelrm",
        2,
        (
            "<answer>8</answer><answer>5</answer>, or <answer>3</answer><answer>9</answer>",
            "ambiguous",
            "two different verdicts",
        ),
    ),
    *_refused(
        "realmistake",
        1,
        (
            "The response contains an error. No: the response contains no error.",
            "ambiguous",
            "two different verdicts",
        ),
    ),
    *_refused(
        "auto-j",
        2,
        ("The final decision is Response 1/Response 2", "parse_error", "two responses"),
        ("The final decision is Response 1 / Response 2 / Tie", "parse_error", "the choice itself"),
        ("The final decision is **Response 1** or Tie.", "parse_error", "two verdicts"),
        ("The final decision is Response １", "parse_error", "plain words are read as they are"),
    ),
    *_refused(
        "realmistake",
        1,
        ("The response contains no significant errors.", "parse_error", "doubtful"),
        ("The response contains a possible error.", "parse_error", "doubtful"),
    ),
    *_refused(
        "deepseek-grm",
        2,
        (r"Scores: \boxed{8}", "parse_error", "one score for two responses"),
        (r"Scores: \boxed{8, 7} or \boxed{7, 8}", "ambiguous", "two different verdicts"),
    ),
    *_refused(
        "deepseek-grm:binary", 1, (r"Scores: \boxed{7}", "parse_error", "off the scale 0 to 1")
    ),
    *_refused(
        "rewardanything",
        2,
        ('{"scores": {"model-1": 4}}', "parse_error", "one score for two responses"),
        ('{"scores": [4, 2]}', "parse_error", "scores without names"),
        ('{"scores": {"model-1": 6, "model-2": 2}}', "parse_error", "off the scale"),
        ('{"scores": {"model-1": 4, "model-2": 2', "parse_error", "cut"),
        (
            '{"scores": {"model-1": 4, "model-2": 2}, "best-to-worst": ["model-2", "model-1"]}',
            "ambiguous",
            "a ranking against the scores",
        ),
        (
            '{"scores": {"model-1": 4, "model-2": 2}} {"scores": {"model-1": 2, "model-2": 4}}',
            "ambiguous",
            "two different verdicts",
        ),
    ),
    *_refused(
        "nemotron-genrm",
        2,
        (r"\boxed{4, 2} \boxed{2}", "parse_error", "boxes without marks"),
        (r"[The Begin of Individual Scores] \boxed{4}", "parse_error", "one score for two"),
        (r"[The Begin of Individual Scores] \boxed{6, 2}", "parse_error", "off the scale"),
        (
            r"[The Begin of Individual Scores] \boxed{4, 2} [The Begin of Ranking Score] \boxed{5}",
            "ambiguous",
            "a ranking against the scores",
        ),
        (
            (
                r"[The Begin of Individual Scores] \boxed{4, 2} [The Begin of Individual Scores] "
                r"\boxed{2, 4}"
            ),
            "ambiguous",
            "two different verdicts",
        ),
    ),
    *_refused(
        "nemotron-genrm:ranking",
        2,
        (r"[The Begin of Individual Scores] \boxed{4, 2}", "parse_error", "no ranking"),
    ),
    *_refused(
        "nemotron-genrm-json",
        2,
        ('{"score_1": 4, "ranking": 2}', "parse_error", "one score for two responses"),
        ('{"score_1": 4, "score_2": 2, "ranking": 7}', "parse_error", "off the scale"),
        ('{"score_1": 4, "score_2": null, "ranking": 2}', "parse_error", "not a number"),
        ('{"score_1": 4, "score_2": 2, "rank', "parse_error", "cut"),
        ('{"score_1": 4, "score_2": 2, "ranking": 5}', "ambiguous", "a ranking against the scores"),
        (
            '{"score_1": 4, "score_2": 2} {"score_1": 2, "score_2": 4}',
            "ambiguous",
            "two different verdicts",
        ),
    ),
    *_refused(
        "nemotron-principle",
        1,
        ("Yes", "parse_error", "no label"),
        ("Final Judgement: Maybe", "parse_error", "neither Yes nor No"),
        ("Final Judgement: Yes/No", "parse_error", "the choice itself"),
        ("**Final Judgement:** Yes or No", "parse_error", "the choice itself"),
        ("Final Judgement: Yes and no", "parse_error", "both"),
        ("Final Judgement: No doubt, yes", "parse_error", "no is not the verdict"),
        ("Final Judgement: No answer was given", "parse_error", "no is not the verdict"),
        ("Final Judgement: Yes\nFinal Judgement: No", "ambiguous", "two different verdicts"),
    ),
    *_refused(
        "rm-r1",
        2,
        ("<answer>[[C]]</answer>", "parse_error", "no tie"),
        ("<answer>[[A/B]]</answer>", "parse_error", "two responses"),
        ("<type>Chat</type><rubric>Accuracy", "parse_error", "cut"),
        ("[[A]] … <answer>[[B]]</answer>", "ambiguous", "two different verdicts"),
    ),
    *_refused(
        "rm-r1-distilled",
        2,
        ("[A]", "parse_error", "single brackets"),
        ("<answer>[[A]]</answer><answer>[[B]]</answer>", "ambiguous", "two different verdicts"),
    ),
    *_refused(
        "j1",
        2,
        ("<answer></answer>", "parse_error", "no letter"),
        ("<answer>[[A]]</answer> [[B]]", "ambiguous", "two different verdicts"),
    ),
    *_refused(
        "j1-scores",
        2,
        ("<score_A>7.5</score_A>", "parse_error", "one score for two responses"),
        ("<score>7.5</score>", "parse_error", "a score of nobody"),
        ("<score_A>7.5</score_A><score_B>11</score_B>", "parse_error", "off the scale"),
        ("<score_A>7.5</score_B>", "parse_error", "tags that do not match"),
        (
            "<score_A>7.5</score_A><score_B>4</score_B><score_A>3</score_A>",
            "ambiguous",
            "two different verdicts",
        ),
    ),
    *_refused(
        "think-rm",
        2,
        ("<answer>C</answer>", "parse_error", "no such assistant"),
        ("<answer>-2</answer>", "parse_error", "the verdict of think-rm-scale"),
        ("<answer>A</answer> no, <answer>B</answer>", "ambiguous", "two different verdicts"),
    ),
    *_refused(
        "think-rm-scale",
        2,
        ("<answer>0</answer>", "parse_error", "no tie"),
        ("<answer>-4</answer>", "parse_error", "off the scale"),
        ("<answer>1.5</answer>", "parse_error", "not a whole number"),
        ("<answer>-1</answer><answer>1</answer>", "ambiguous", "two different verdicts"),
    ),
    *_refused(
        "br-rm",
        2,
        (r"\boxed{1}", "parse_error", "no mark"),
        (r"[The Begin of Ranking Score] \boxed{1 or 2}", "parse_error", "the prompt's own words"),
        (r"[The Begin of Ranking Score] \boxed{3}", "parse_error", "no such response"),
        ("[Quality Analysis for Response 1]\nNone identified", "parse_error", "one turn"),
        (
            r"[The Begin of Ranking Score] \boxed{1} [The Begin of Ranking Score] \boxed{2}",
            "ambiguous",
            "two different verdicts",
        ),
    ),
    *(form for name, n, rows in judge_forms.REFUSED for form in _refused(name, n, *rows)),
]


def as_tables(forms: list[Form], last: str) -> list[str]:
    """The rows of docs/dialects.md, with their header."""
    return [f"| dialect | completion | {last} |", "|---|---|---|", *(form.row for form in forms)]


def identify(value: object) -> str:
    """A test id."""
    return f"{value.dialect}-{value.n}" if isinstance(value, Form) else ""
