"""Write the tables of docs/judge-types.md from the specs: `python docs/judge_types.py`."""

from __future__ import annotations

from pathlib import Path

from deemster.cli.judges import settings_of, summary_of
from deemster.judges.registry import JUDGES
from deemster.judges.verifier.spec import CHECKS, check_settings

PAGE = Path(__file__).with_name("judge-types.md")
HEAD = """# Types of judges

What a suite may say of each `type`. This page is made from the specs by `python
docs/judge_types.py`; `deemster judges list` shows the same, `deemster run --schema` the JSON
Schema.

`type` may be left out: a judge with `model` is a `grm`, one with `members` a `panel`, or a
`debate` where it has `rounds` too. Members are names of other judges of the suite, or judges
described in place:

```yaml
judges:
  - {name: mini, model: openai/gpt-5-mini, k: 8}
  - name: cheap first
    type: cascade
    thresholds: 0.9
    members:
      - {type: verifier, checks: [exact-match, {check: matches, pattern: "^(yes|no)"}]}
      - {type: panel, members: [mini, {model: anthropic/claude-sonnet-4-5, k: 4}]}
```

A judge that is named in several places is one judge: what it has drawn for one is not bought
again for the other. On the command line `--judge SUITE.yaml#NAME`, or `--judge '{type: panel,
members: [...]}'`, puts any of them to work: `deemster score --judge suite.yaml#mini -q … -r … -r
…`.
"""


def page() -> str:
    """The text of the page."""
    parts = [HEAD]
    for name in JUDGES.builtin_names():
        parts += [f"\n## {name}\n", f"{summary_of(name)}\n"]
        rows = [("setting", "values", "default", "meaning"), ("---",) * 4, *settings_of(name)]
        parts += [
            "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows
        ]
    parts += ["\n### Checks of a verifier\n", "| check | settings |", "| --- | --- |"]
    parts += [f"| {name} | {', '.join(check_settings(name)) or '–'} |" for name in CHECKS.names()]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
