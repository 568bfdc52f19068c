"""Dialects by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from deemster.dialects.base import Dialect
from deemster.errors import InputError
from deemster.plugins import Registry
from deemster.prompts import PromptTemplate

DIALECTS: Registry[type[Dialect]] = Registry(
    "dialect",
    group="deemster.dialects",
    builtin={
        "grm": "deemster.dialects.grm:Grm",
        "nano": "deemster.dialects.nano:Nano",
        "smol": "deemster.dialects.smol:Smol",
        "json": "deemster.dialects.json_schema:Json",
        "pairwise": "deemster.dialects.pairwise:Pairwise",
        "pairwise-tokenprob": "deemster.dialects.pairwise:PairwiseTokenProb",
        "arena-hard": "deemster.dialects.arena_hard:ArenaHard",
        "mt-bench-pair": "deemster.dialects.mt_bench:MtBenchPair",
        "mt-bench-single": "deemster.dialects.mt_bench:MtBenchSingle",
        "prometheus": "deemster.dialects.prometheus:Prometheus",
        "judgelrm": "deemster.dialects.judgelrm:JudgeLrm",
        "llmbar": "deemster.dialects.llmbar:LlmBar",
        "llmbar-rating": "deemster.dialects.llmbar:LlmBarRating",
        "alpaca-eval": "deemster.dialects.alpaca_eval:AlpacaEval",
        "realmistake": "deemster.dialects.realmistake:RealMistake",
        "score-json": "deemster.dialects.score_json:ScoreJson",
        "two-scores": "deemster.dialects.two_scores:TwoScores",
        "auto-j": "deemster.dialects.autoj:AutoJ",
        "deepseek-grm": "deemster.dialects.deepseek_grm:DeepSeekGrm",
        "rewardanything": "deemster.dialects.reward_anything:RewardAnything",
        "nemotron-genrm": "deemster.dialects.nemotron:NemotronGenRm",
        "nemotron-genrm-json": "deemster.dialects.nemotron:NemotronGenRmJson",
        "nemotron-principle": "deemster.dialects.nemotron_principle:NemotronPrinciple",
        "rm-r1": "deemster.dialects.rm_r1:RmR1",
        "rm-r1-distilled": "deemster.dialects.rm_r1:RmR1Distilled",
        "j1": "deemster.dialects.j1:J1",
        "j1-scores": "deemster.dialects.j1:J1Scores",
        "think-rm": "deemster.dialects.think_rm:ThinkRm",
        "think-rm-scale": "deemster.dialects.think_rm:ThinkRmScale",
        "br-rm": "deemster.dialects.br_rm:BrRm",
        "selene": "deemster.dialects.selene:Selene",
        "flow-judge": "deemster.dialects.tagged_score:FlowJudge",
        "glider": "deemster.dialects.tagged_score:Glider",
        "compass-judger": "deemster.dialects.compass_judger:CompassJudger",
        "con-j": "deemster.dialects.choice_json:ConJ",
        "rise": "deemster.dialects.letters:Rise",
        "skywork-critic": "deemster.dialects.letters:SkyworkCritic",
        "r3": "deemster.dialects.r3:R3",
        "rubric-rm": "deemster.dialects.rubric_rm:RubricRm",
        "pandalm": "deemster.dialects.pandalm:PandaLm",
        "judgelm": "deemster.dialects.two_scores:JudgeLm",
        "critic-json": "deemster.dialects.critic_json:CriticJson",
    },
)
"""Dialects by name."""


def open_dialect(
    spec: str,
    *,
    template: str | Path | None = None,
    official: bool = False,
    model_folder: Path | None = None,
) -> Dialect:
    """Make a dialect by name or `name:rule`.

    Args:
        spec: the name, with a rule or without.
        template: a file with another prompt: the user's own Jinja template, or with `official`
            the file in which the makers of the model publish theirs.
        official: ask in the makers' own words.
        model_folder: where the makers' file may lie, too: the folder of the model.

    Raises:
        InputError: the name or the rule is unknown, the template unusable, or the makers' words
            are in a file that was not given.
    """
    name, _, rule = spec.partition(":")
    dialect = DIALECTS.get(name)(rule=rule or "strict")
    if not official:
        return dialect if template is None else _with(dialect, PromptTemplate.load(template))
    if dialect.template.by_role and template is None:
        return dialect  # the model's chat template has the words
    published = dialect.officials.get(dialect.rule)
    if published is None:
        others = " or ".join(f"{name}:{rule}" for rule in dialect.officials)
        raise InputError(
            f"dialect {spec!r} knows no file with its makers' prompt; "
            + (f"name {others}" if others else "leave out prompt")
            + ", or write their text into a Jinja file with the dialect's slots and give it as "
            "template"
        )
    if template is None and model_folder is not None:
        beside = model_folder / published.file
        template = beside if beside.is_file() else None
    if template is None:
        raise InputError(
            f"prompt 'official' of dialect {spec!r} needs its makers' file: fetch "
            f"{published.origin} and give it as template"
        )
    most = 1 if dialect.judges_one_at_a_time else dialect.max_responses or 2
    n = max(dialect.min_responses, min(2, most))
    return _with(dialect, published.read(template, n=n))


def _with(dialect: Dialect, template: PromptTemplate) -> Dialect:
    return replace(dialect, template_file=template)
