"""`decision.json` and `decision_template.jinja`: how a local model is asked questions.

The layout is that of transformers (`transformers.decision.DecisionConfig`), read and written
here without it, so that every installed version serves. Fields of later versions are ignored.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deemster.errors import InputError
from deemster.files import read_text
from deemster.schemas import Principle, QuestionKind, first_problem

CONFIG_NAME, TEMPLATE_NAME = "decision.json", "decision_template.jinja"
FileKind = Literal["noul", "choice", "score"]
"""The file's names of the kinds: `noul` is a predicate."""
KIND_NAMES: dict[QuestionKind, FileKind] = {
    "predicate": "noul", "choice": "choice", "score": "score",
}  # fmt: skip
_Temperature = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class WeighedQuestions(BaseModel):
    """What a decision judge asks, and how much each answer counts (`deemster decision fit`)."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    ask: QuestionKind
    """What becomes of each principle, see `DecisionJudge`."""
    principles: Annotated[tuple[Principle, ...], Field(min_length=1)]
    """One question each; the weights sum to 1."""
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Log-odds that the better scored of two responses is the better one, for each unit that
    their scores differ by; None where the weights were not fitted."""


class DecisionFile(BaseModel):
    """What the two files say."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    labels: dict[FileKind, tuple[str, ...]] = Field(default_factory=dict)
    """Spelling of the options by kind, each a single token; default: `Yes` and `No` of a
    predicate, `A`, `B`, `C`, … of the others."""
    temperature: dict[FileKind, _Temperature] = Field(default_factory=dict)
    """What the labels' log-probabilities are divided by; default 1."""
    chat_template: str | None = None
    """Jinja text of the prompt, from its own file; None: this package's prompt."""
    noul_options: tuple[str, ...] = ("true", "false")
    """Order in which a template sees the options of a predicate."""
    sanitize_control_tokens: bool = True
    """Kept for other readers: here control tokens in texts never take effect."""
    adapter: str | None = None
    """Subfolder of an adapter; a file that names one is refused, see `read`."""
    questions: WeighedQuestions | None = None
    """Weighed questions of a judge. This package's own field, which other readers pass over."""

    def temperature_of(self, kind: QuestionKind) -> float:
        """What the labels' log-probabilities of such questions are divided by."""
        return self.temperature.get(KIND_NAMES[kind], 1.0)

    @classmethod
    def read(cls, path: str | Path) -> DecisionFile:
        """The files of a folder or a repository, or a `decision.json` by its own path.

        Where there are none, it is the default.

        Raises:
            InputError: a file cannot be read, is not in the layout, or needs an adapter.
        """
        config, template = _find(path, CONFIG_NAME), _find(path, TEMPLATE_NAME)
        try:
            given = {} if config is None else json.loads(read_text(config, what="decision file"))
            if template is not None:
                given["chat_template"] = read_text(template, what="template")
            found = cls.model_validate(given)
        except ValidationError as error:
            raise InputError(f"{str(config)!r}: {first_problem(error)}") from error
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise InputError(f"cannot read the decision files of {str(path)!r}: {error}") from error
        if sorted(found.noul_options) != ["false", "true"]:
            raise InputError(
                f"{str(config)!r}: noul_options must order 'true' and 'false', got "
                f"{list(found.noul_options)}"
            )
        if found.adapter is not None:
            raise InputError(
                f"{str(config)!r} names the adapter {found.adapter!r}; give the adapter's folder "
                "as the model: 'hf:FOLDER'"
            )
        return found

    def write(self, folder: str | Path) -> None:
        """Write the files into a folder, which is made if missing."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        fields = self.model_dump(mode="json")
        if self.questions is None:  # exactly the layout of transformers
            del fields["questions"]
        template = fields.pop("chat_template")
        if template is not None:
            (place / TEMPLATE_NAME).write_text(template, encoding="utf-8")
        (place / CONFIG_NAME).write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")


def read_questions(path: str | Path) -> WeighedQuestions:
    """The weighed questions of a `decision.json`, given by its path or its folder.

    Raises:
        InputError: there is no such file, or it has no questions.
    """
    place = Path(path).expanduser()
    file = place / CONFIG_NAME if place.is_dir() else place
    if file.name != CONFIG_NAME or not file.is_file():
        raise InputError(f"no {CONFIG_NAME} at {str(path)!r}; give its path or its folder")
    found = DecisionFile.read(file).questions
    if found is None:
        raise InputError(f"{str(file)!r} has no questions; write some with 'deemster decision fit'")
    return found


def _find(path: str | Path, name: str) -> Path | None:
    folder = Path(path).expanduser()
    if folder.name == CONFIG_NAME and folder.is_file():
        folder = folder.parent
    if folder.exists():
        return folder / name if (folder / name).is_file() else None
    from transformers.utils import cached_file  # noqa: PLC0415 - heavy, and for repositories only

    found = cached_file(str(path), name, _raise_exceptions_for_missing_entries=False)
    return None if found is None else Path(found)
