"""Cards: the README.md of what is published, with the YAML front matter that the Hub reads."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import JsonValue

from deemster.backends.judge_file import CONFIG_NAME, JudgeFile
from deemster.backends.model_fetch import FETCHABLE
from deemster.dialects import open_dialect
from deemster.shown import code, inline
from deemster.suites.metrics import CurvePoint, Estimate, Summary
from deemster.training.evaluation import Evaluation, ModelFigures
from deemster.training.manifest import Manifest

_TAGS = ["reward-model", "llm-as-a-judge", "generative-reward-model"]
_NO_FIGURE = "–"
_STAGES = {
    "distil": "fine-tuned on right judgments of other judges",
    "rft": "fine-tuned on its own right judgments (rejective fine-tuning)",
    "rl": "GRPO with the rule-based reward",
    "meta": "the meta RM, which tells right judgments from wrong ones",
}
_SETTINGS = (
    "dialect", "k", "temperature", "top_p", "max_tokens", "aggregator", "meta_rm", "orders",
    "principles", "template", "template_args", "calculator",
)  # fmt: skip


def front_matter(**fields: Any) -> str:  # noqa: ANN401 - whatever the Hub reads
    """A block of YAML between lines of dashes; fields without a value are left out."""
    said = {name: value for name, value in fields.items() if value not in (None, "", [])}
    text = yaml.safe_dump(said, sort_keys=False, default_flow_style=None, width=200)
    return f"---\n{text}---\n"


def model_front_matter(**fields: Any) -> str:  # noqa: ANN401
    """That of a generative reward model."""
    return front_matter(
        **fields, library_name="transformers", pipeline_tag="text-generation", tags=_TAGS
    )


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def estimate(figure: Estimate | None) -> str:
    """A share with its 95 % interval, in percent."""
    if figure is None or figure.value is None:
        return _NO_FIGURE
    if figure.low is None or figure.high is None:
        return f"{figure.value:.1%}"
    return f"{figure.value:.1%} [{figure.low:.1%}, {figure.high:.1%}]"


@dataclass(frozen=True)
class ModelCard:
    """What is known of a judge that was trained.

    Attributes:
        file: its settings, as published.
        where: repository or folder that it is in.
        stage: that made the weights.
        adapter: whether they lie over a base.
        manifests: of the stages, in order; empty if it was trained elsewhere.
        evaluation: figures of the stage `eval`.
    """

    file: JudgeFile
    where: str
    stage: str
    adapter: bool
    manifests: Mapping[str, Manifest]
    evaluation: Evaluation | None

    def text(self) -> str:
        """The card in Markdown."""
        base = self.file.base or ""
        base = FETCHABLE[base].repository if base in FETCHABLE else base
        relation = "adapter" if self.adapter else "finetune"
        head = model_front_matter(
            license=self.file.licence,
            base_model=base if "/" in base else None,
            base_model_relation=relation if "/" in base else None,
        )
        parts = [
            f"# {inline(self.file.name or self.where.rpartition('/')[2])}",
            self._summary(),
            self._use(),
            self._settings(),
            self._figures(),
            self._training(),
            self._limits(),
        ]
        return head + "\n" + "\n\n".join(parts) + "\n"

    def _summary(self) -> str:
        made = _STAGES.get(self.stage)
        over = f" from {code(self.file.base)}" if self.file.base else ""
        how = f"{'Trained' if self.manifests else 'Made'}{over}" + (
            f"; last: {made}" if made else ""
        )
        paper = f" Paper: arXiv {inline(self.file.paper)}." if self.file.paper else ""
        return (
            "A generative reward model: it judges one or several responses to a query, and writes "
            f"principles, critiques and scores. {how}.{paper}"
        )

    def _use(self) -> str:
        model = code(f"hf:{self.where}")[1:-1]
        said = json.dumps(model, ensure_ascii=False)
        return (
            "## Use\n\n```bash\npip install 'deemster[local]'\n"
            f'deemster score --model {shlex.quote(model)} -q "QUERY" -r "RESPONSE" -r "RESPONSE"\n'
            "```\n\n"
            f"In Python: `Judge({said}).score_sync(query, responses)`. "
            f"[{CONFIG_NAME}]({CONFIG_NAME}) says how it judges; what you give wins over it."
        )

    def _settings(self) -> str:
        rows = [
            (name, code(str(value)))
            for name in _SETTINGS
            if (value := getattr(self.file, name)) not in (None, "", {})
        ]
        return "## Settings\n\n" + table(("setting", "value"), rows)

    def _figures(self) -> str:
        found = self.evaluation
        if found is None:
            return "## Figures\n\nThis model was not evaluated by its recipe: nothing is known."
        rows = [
            (inline(name), estimate(one.greedy), *_votes(one, found.k), _share(one.parse_failures))
            for name, one in found.models.items()
        ]
        head = ("model", "greedy", "one vote", f"{found.k} votes", "guided by the meta RM")
        published = "" if self.stage in found.models else f"; published is `{self.stage}`"
        gain = "" if found.vote_gain is None else (
            f"\n\nLast model minus first, {found.k} votes, in pairs: "
            f"{estimate(found.vote_gain.difference)}."
        )  # fmt: skip
        return (
            "## Figures\n\nShare of held-out samples whose best response alone got the highest "
            f"reward, with 95 % intervals; {found.n} samples{published}. Data: "
            f"{_sources(self._last_settings(), 'evaluation') or 'not recorded'}.\n\n"
            + table((*head, "votes that do not parse"), rows)
            + gain
        )

    def _training(self) -> str:
        if not self.manifests:
            return "## Training\n\nNot by this package, or its record is not there: not known."
        settings = self._last_settings()
        rows = [
            (stage, _STAGES[stage], one.seed, one.device)
            for stage, one in self.manifests.items()
            if stage in _STAGES
        ]
        versions = list(self.manifests.values())[-1].versions
        shown = ", ".join(f"{name} {one}" for name, one in versions.items() if one)
        return (
            "## Training\n\n"
            + table(("stage", "what", "seed", "on"), rows)
            + f"\n\nPreferences: {_sources(settings, 'train') or 'not recorded'}. Instructions: "
            f"{_sources(settings, 'instructions') or 'none'}. [training.json](training.json) has "
            f"every setting, figure and hash. Versions: {shown}."
        )

    def _limits(self) -> str:
        lines = [
            (
                "Known is what stands under Figures, on data of that kind; on any other kind "
                "measure it first (`deemster run`)."
            ),
            (
                "A judge can be persuaded: a response may be written to please it. `deemster probe "
                "--attacks` measures how often."
            ),
        ]
        if self.file.dialect:
            dialect = open_dialect(self.file.dialect)
            if dialect.forgeable:
                lines.append(f"Verdicts of its dialect are {dialect.forgeable}.")
        if not self.file.licence:
            lines.append("Its licence is not stated; that of the base model holds at least.")
        return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)

    def _last_settings(self) -> Mapping[str, JsonValue]:
        found = [one.settings for one in self.manifests.values() if "data" in one.settings]
        return found[-1] if found else {}


def run_card(
    title: str, summaries: Mapping[str, Summary], *, samples: int, files: Sequence[str]
) -> str:
    """The card of a suite's run, which is a data set of votes.

    Args:
        title: name of the suite.
        summaries: figures, by judge.
        samples: how many were judged.
        files: names of the tables.
    """
    configs = [{"config_name": Path(one).stem, "data_files": one} for one in files]
    head = front_matter(pretty_name=title, tags=["llm-as-a-judge", "judge-votes"], configs=configs)
    rows = [
        (
            inline(name),
            "" if one.judge is None else inline(one.judge.model),
            "" if one.judge is None else one.judge.k,
            f"{one.n_scored} of {one.n}",
            _NO_FIGURE if one.accuracy is None else _with_interval(one.accuracy, one.ci95),
            sum(one.failures.values()),
        )
        for name, one in summaries.items()
    ]
    return (
        f"{head}\n# {inline(title)}: votes of {_plural(len(summaries), 'judge')}\n\n"
        f"{_plural(samples, 'sample')}, judged by deemster.\n\n"
        + table(("judge", "model", "k", "scored", "accuracy", "failed votes"), rows)
        + "\n\nAccuracy is the share of samples whose truly best response alone got the highest "
        "reward, over those that are scored and have one, with a 95 % interval. "
        "`report.html` shows every item; `summary.json` has all figures; `samples.jsonl` has the "
        "texts that were judged, under the terms of where they came from; `votes.jsonl` has every "
        "vote with its raw text, failed ones too (`status`).\n"
    )


def _votes(one: ModelFigures, k: int) -> tuple[str, str, str]:
    return _at(one.vote, 1), _at(one.vote, k), _at(one.meta, k)


def _at(points: Sequence[CurvePoint], k: int) -> str:
    return next((estimate(point.accuracy) for point in points if point.k == k), _NO_FIGURE)


def _share(value: float | None) -> str:
    return _NO_FIGURE if value is None else f"{value:.1%}"


def _with_interval(value: float, ends: tuple[float, float] | None) -> str:
    return f"{value:.1%}" + ("" if ends is None else f" [{ends[0]:.1%}, {ends[1]:.1%}]")


def _plural(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _cell(value: object) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(str(value).split()))


def _sources(settings: Mapping[str, JsonValue], part: str) -> str:
    """Names of the data in a recipe, without their folders."""
    return ", ".join(map(code, _source_names(settings, part)))


def _source_names(settings: Mapping[str, JsonValue], part: str) -> Iterator[str]:
    data = settings.get("data")
    listed = data.get(part) if isinstance(data, dict) else None
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict):
            named = one.get("benchmark") or one.get("dataset") or one.get("path") or one.get("run")
            text = str(named)
            yield Path(text).name if text.startswith(("/", ".", "~")) else text


__all__ = ["ModelCard", "estimate", "front_matter", "model_front_matter", "run_card", "table"]
