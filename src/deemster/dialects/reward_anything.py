"""RewardAnything's verdicts: JSON scores by response, and a ranking.

`{"scores": {"model-1": 2, "model-2": 4}, "best-to-worst": ["model-2", "model-1"]}` after the
reasoning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from deemster.dialects.base import Dialect, Parsed, json_number
from deemster.dialects.reasoning import strip_reasoning
from deemster.dialects.strict_json import read_object
from deemster.errors import AmbiguousError, ParseError
from deemster.prompts import OfficialPrompt
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale

_RANKINGS = ("best-to-worst", "best-to-worse")
BAD_RANKING = "the ranking does not name each response once; the scores alone count"


@dataclass(frozen=True)
class RewardAnything(Dialect):
    """1 to many responses, scored 1 to 5 by a principle.

    A ranking that contradicts the scores is a second verdict. Where it orders equal scores, they
    stay equal, and the ranking stands in the analysis.
    """

    name = "rewardanything"
    scale = Scale(low=1, high=5, integer=False)
    officials: ClassVar[Mapping[str, OfficialPrompt]] = {
        "strict": OfficialPrompt(
            "zhuohaoyu/RewardAnything, rewardanything/processing.py",
            {"system": "SYSTEM_PROMPT"},
            {},
            {
                "user": '{"principle": {% if principles %}{{ quote(principles | '
                "map(attribute='description') | join('\\n')) }}{% else %}"
                '"A response is good if it is helpful, correct and clear."{% endif %}, '
                '"prompt": {{ quote(conversation) }}, "responses": {{ "{" }}'
                "{% for response in responses %}{{ '' if loop.first else ', ' }}"
                '"model-{{ loop.index }}": {{ quote(response) }}{% endfor %}}}'
            },
            digest="5b34a6fe8a93",
        )
    }

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read the object; see `Dialect.parse`."""
        document = read_object(fold(strip_reasoning(completion.text)), "scores")
        given = document.get("scores") if isinstance(document, dict) else None
        names = [f"model-{i}" for i in range(1, n + 1)]
        if not isinstance(given, dict) or given.keys() != set(names):
            raise ParseError(f'"scores" must have the keys {", ".join(names)}, got {given!r:.80}')
        scores = tuple(self._score(given[name], name) for name in names)
        ranking = next((document[key] for key in _RANKINGS if key in document), None)
        if ranking is None:
            return Parsed(scores)
        order = _order(ranking, names)
        if order is None:
            return Parsed(scores, warnings=(BAD_RANKING,))
        for better, worse in pairwise(order):
            if scores[better] < scores[worse]:
                raise AmbiguousError(
                    f"{names[better]} is ranked above {names[worse]}, but scored below it"
                )
        return Parsed(scores, analysis=f"best to worst: {', '.join(names[i] for i in order)}")

    def _score(self, value: object, name: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ParseError(f"score of {name} is not a number: {value!r:.60}")
        return json_number(value, self.scale)


def _order(ranking: Any, names: list[str]) -> list[int] | None:  # noqa: ANN401 - any JSON value
    """Positions from best to worst; None if it is not a ranking of these names."""
    if not isinstance(ranking, list) or sorted(map(str, ranking)) != sorted(names):
        return None
    return [names.index(name) for name in ranking]
