"""Verdict: its pairwise unit with an explanation, run over a list by threads."""

from _measuring import Judge, Pair, main

_PROMPT = """
Which of two responses to a question is better?

Question:
{source.query}

Response A:
{source.first}

Response B:
{source.second}

Explain, then choose "A" or "B".
"""


def start(url: str, concurrency: int) -> Judge:
    from verdict import Pipeline
    from verdict.common.judge import PairwiseJudgeUnit
    from verdict.model import vLLMModel
    from verdict.schema import Schema
    from verdict.util import ratelimit

    ratelimit.disable()  # by default 5 requests a minute
    model = vLLMModel("judge", api_base=url, api_key="key")

    def judge(pairs: list[Pair]) -> int:
        unit = PairwiseJudgeUnit(explanation=True).prompt(_PROMPT).via(model, temperature=0.5)
        rows = [Schema.of(**pair._asdict()) for pair in pairs]
        found, leaves = (Pipeline("bench") >> unit).run_from_list(rows, max_workers=concurrency)
        chosen = next(leaf for leaf in leaves if not leaf.endswith("explanation"))
        return int((found[chosen] == "A").sum())

    return judge


if __name__ == "__main__":
    main(start)
