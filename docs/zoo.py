"""Write docs/zoo.md from the table of the zoo: `python docs/zoo.py`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the counts are those of the tests' tables

from tests.dialects.dialect_checks import checks_of, example_of

from deemster.zoo import ZooEntry, zoo_entries

PAGE = Path(__file__).with_name("zoo.md")
HEAD = """# Zoo

Released judges and reward models, and how each is asked. This page is made from the table
`src/deemster/zoo/zoo.yaml` by `python docs/zoo.py`; `deemster zoo list` and `deemster zoo show
NAME` show the same, with `--json` for programs.

<!-- not run by the tests: needs a server of your own -->
```bash
deemster score -q "Is 91 prime?" -r "Yes." -r "No." -m hosted_vllm/rubricreward/R3-Qwen3-8B-14k \\
  --api-base http://localhost:8000/v1
```

A model string that names one of these (`hf:`, `hosted_vllm/`, `openai/`, `ollama_chat/hf.co/`, …)
picks the [dialect](dialects.md) by this table and says so on stderr; `--dialect` wins. Owner and
name decide together: a name alone picks nothing, nor does a local folder, unless it is one of the
Hugging Face cache. What a folder says of the model that it was trained from does not count: a
judge that was trained further is another one. Licences are what was read: read the card.
Ids, sizes and scales could not be confirmed at the Hub; a model that is published under another
name picks no dialect: name it with `--dialect`.

`suites/zoo.yaml` sets one judge of each kind side by side, with what an item costs by each.

No weights were run here. The column "tests" counts what the tests' tables have: outputs written to
the dialect's grammar that are read, that fail and that are ambiguous; for how many responses shown
at once a scripted model that answers in it was judged, in both orders (round trip); and for how
many a judge quoted planted verdicts ([forgery](dialects.md#forgery)). A dialect that lacks one of
them fails the tests. "Grammar" shows one output that is read; all are in [dialects](dialects.md).
"""

NUMBERS = """
## Heads with numbers

[Reward models](reward-models.md) says how they are used, here and on another machine. `meta_rm` is
an argument of `Judge`, not a judge type.
"""


def _row(entry: ZooEntry) -> str:
    models = " ".join(f"`{model}`" for model in entry.models)
    dialects = ", ".join(f"`{one}`" for one in (entry.dialect, *entry.other_dialects) if one)
    cells = (
        entry.name,
        models,
        dialects,
        example_of(entry.dialect),
        entry.responses,
        entry.scale,
        entry.size,
        entry.sampling or "–",
        entry.licence,
        f"[{entry.paper}](https://arxiv.org/abs/{entry.paper})" if entry.paper else "–",
        entry.prompt + (f" (`{entry.prompt_hash}`)" if entry.prompt_hash else ""),
        *_tried(entry),
    )
    return "| " + " | ".join(cells) + " |"


def _tried(entry: ZooEntry) -> tuple[str, str]:
    """What was tried with its dialects, and what was not."""
    names = [one.partition(":")[0] for one in (entry.dialect, *entry.other_dialects) if one]
    found = {name: checks_of(name) for name in dict.fromkeys(names)}
    label = "`{}`: " if len(found) > 1 else ""
    tried = "<br>".join(label.format(name) + one.text for name, one in found.items())
    lacking = [label.format(name) + one.lacking for name, one in found.items() if one.lacking]
    return tried, "; ".join([entry.unchecked, *lacking])


def _number_row(entry: ZooEntry) -> str:
    opens = {"hf": "yes", "own code": "with `remote_code`", "no": "no"}[entry.opens]
    cells = (
        entry.name,
        " ".join(f"`{model}`" for model in entry.models),
        f"`{entry.judge}`"
        + (f", `meta_template: {entry.meta_template}`" if entry.meta_template else ""),
        entry.head,
        opens + (f": {entry.opening}" if entry.opening else ""),
        entry.system,
        entry.size,
        entry.licence,
        f"[{entry.paper}](https://arxiv.org/abs/{entry.paper})" if entry.paper else "–",
        entry.checked,
        entry.unchecked,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page() -> str:
    """The text of the page."""
    columns = (
        "model | ids | dialect | grammar | responses | scale | size | sampling | licence | paper"
        " | prompt (hash) | tests | not checked"
    )
    written = [_row(entry) for entry in zoo_entries() if entry.kind == "generative"]
    parts = [HEAD, "\n## Judges that write\n", f"| {columns} |", "|---" * 13 + "|", *written]
    columns = "model | ids | judge type | head | opens | system turn | size | licence | paper"
    columns += " | tests | not checked"
    numbers = [_number_row(entry) for entry in zoo_entries() if entry.kind == "scalar"]
    parts += [NUMBERS, f"| {columns} |", "|---" * 11 + "|", *numbers]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
