"""Models that read a text and give numbers: sequence classifiers and published reward heads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
)
from transformers.utils import logging

from deemster.backends._local.checkpoint import Checkpoint
from deemster.backends._local.conversion import complete, from_files, reading, sound_config
from deemster.backends._local.heads import Head, find_head
from deemster.backends._local.loading import read
from deemster.backends._local.sources import Source, source_of
from deemster.errors import InputError

_ELSEWHERE: Mapping[str, str] = {
    "InternLM2ForRewardModel": "vLLM serves it: vllm-pooling:URL",
    "LDLRewardModel27B": "its head is in .pt files, which are not read: save their tensors as "
    "safetensors beside the weights (docs/reward-models.md)",
}
"""By architecture: what else can be done about a model that does not open."""
_NO_HEAD = ("lm_head.", "model.lm_head.", "reward_base_model.lm_head.")
"""Tensors that a reward model may have and does not use."""


class RewardModel(ABC):
    """A model in memory.

    Attributes:
        tokenizer: the model's.
        context: most tokens of a text; None for no limit.
        labels: names of the outputs.
        ending: the token that every text must end with, if one must.
        compares: whether it reads two responses, marked by tokens of its own; None: it reads any
            text.
        together: whether several texts go through it at once.
    """

    together = True
    compares: bool | None = None

    def __init__(self, tokenizer: Any, model: Any, labels: Sequence[str] = ("reward",)) -> None:  # noqa: ANN401 - transformers is untyped
        self.tokenizer = tokenizer
        self.model = model.eval()
        self.labels = tuple(labels)
        self.ending: int | None = None
        config = model.config.get_text_config()
        self.context: int | None = getattr(config, "max_position_embeddings", None)

    def problem(self, ids: Sequence[int]) -> str:  # noqa: ARG002 - others have some
        """Why a text cannot be read; empty if it can."""
        return ""

    @abstractmethod
    def outputs(self, batch: Sequence[Sequence[int]]) -> list[list[float]]:
        """The outputs of every text, in the order of `labels`."""

    def _padded(
        self, batch: Sequence[Sequence[int]], pad: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids padded on the right, and their attention mask."""
        longest = max(map(len, batch))
        rows = [[*row, *[pad] * (longest - len(row))] for row in batch]
        mask = [[1] * len(row) + [0] * (longest - len(row)) for row in batch]
        device = self.model.device
        return torch.tensor(rows, device=device), torch.tensor(mask, device=device)


class SequenceClassifier(RewardModel):
    """A sequence-classification model of transformers."""

    def __init__(self, tokenizer: Any, model: Any) -> None:  # noqa: ANN401 - as above
        names = model.config.id2label
        super().__init__(tokenizer, model, [str(names[i]) for i in range(model.config.num_labels)])
        pad = model.config.get_text_config().pad_token_id
        self._pad: int | None = None if pad is None or pad < 0 else pad  # some say -1 for none

    def outputs(self, batch: Sequence[Sequence[int]]) -> list[list[float]]:
        """See `RewardModel.outputs`."""
        pad = self._pad
        if pad is None:
            # The output belongs to the last token that is not padding, so no row may end in it.
            ends = {row[-1] for row in batch}
            pad = next(token for token in range(len(batch) + 1) if token not in ends)
        config = self.model.config
        config.pad_token_id = config.get_text_config().pad_token_id = pad
        ids, mask = self._padded(batch, pad)
        with torch.inference_mode():
            logits = self.model(input_ids=ids, attention_mask=mask).logits
        return [list(map(float, row)) for row in logits.double().tolist()]


class HeadModel(RewardModel):
    """A transformer without a head of its own, and a published head over it."""

    def __init__(self, tokenizer: Any, model: Any, head: Head, checkpoint: Checkpoint) -> None:  # noqa: ANN401 - as above
        super().__init__(tokenizer, model)
        self._head = head
        self.compares = head.compares
        # The type of the transformer counts: config.json of some says less than its class.
        self._config = {**checkpoint.config, "model_type": model.config.model_type}
        self._weights = {
            name: tensor.to(model.device)
            for name, tensor in checkpoint.tensors(head.prefixes).items()
        }
        self.context = head.context or self.context
        self._try()

    def _try(self) -> None:
        """Raise `ValueError` if the head's tensors do not fit together, or the transformer."""
        width = self.model.config.get_text_config().hidden_size
        blank = torch.zeros(1, self._head.reads, width, device=self.model.device)
        try:
            self._head.score(self._weights, blank, self._config)
        except (KeyError, RuntimeError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(f"the head ({self._head.title}) is not whole: {reason}") from error

    def problem(self, ids: Sequence[int]) -> str:
        """See `RewardModel.problem`."""
        try:
            self._head.places(ids, self.tokenizer, self._config)
        except ValueError as error:
            return str(error)
        return ""

    def outputs(self, batch: Sequence[Sequence[int]]) -> list[list[float]]:
        """See `RewardModel.outputs`."""
        places = [self._head.places(row, self.tokenizer, self._config) for row in batch]
        ids, mask = self._padded(batch, 0)
        with torch.inference_mode():
            states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
            rows = torch.arange(len(batch), device=states.device).unsqueeze(1)
            chosen = states[rows, torch.tensor(places, device=states.device)].float()
            rewards = self._head.score(self._weights, chosen, self._config)
        return [[float(reward)] for reward in rewards.double().tolist()]


class OwnCodeModel(RewardModel):
    """A model whose own code runs, because the user named it. Texts go through one at a time."""

    together = False

    def __init__(self, tokenizer: Any, model: Any) -> None:  # noqa: ANN401 - as above
        super().__init__(tokenizer, model)
        ending = getattr(model, "reward_token_id", getattr(model.config, "reward_token_id", None))
        self.ending = int(ending) if ending is not None else None

    def outputs(self, batch: Sequence[Sequence[int]]) -> list[list[float]]:
        """See `RewardModel.outputs`."""
        given = []
        for row in batch:
            ids, mask = self._padded([row], 0)
            with torch.inference_mode():
                said = self.model(input_ids=ids, attention_mask=mask)
            numbers = said.logits if hasattr(said, "logits") else said[0]
            given.append([float(number) for number in numbers.double().flatten().tolist()])
        return given


def load_reward_model(
    path: str, *, place: torch.device, dtype: torch.dtype, own_code: bool
) -> RewardModel:
    """Read a reward model onto a device: safetensors only.

    Args:
        path: see `sources`.
        place: the device.
        dtype: of the transformer's weights.
        own_code: whether the code of the repository may run.

    Raises:
        InputError: see `sources.source_of`, or a head is not known here.
        ValueError: weights are missing.
        OSError, ValueError, KeyError, ImportError: whatever transformers raises.
    """
    source = source_of(path)
    if source.adapter is not None:
        tokenizer, model = read(AutoModelForSequenceClassification, path, dtype)
        return SequenceClassifier(tokenizer, model.to(place))
    checkpoint = Checkpoint(source.base)
    if own_code:
        return _own_code(source, checkpoint, place, dtype)
    head = find_head(checkpoint.names)
    if head is None:
        return _plain(source, checkpoint, place, dtype)
    trunk_config = _trunk_config(checkpoint, head)
    with reading(), _no_report():
        tokenizer, model, report = from_files(
            AutoModel,
            source,
            dtype,
            config=trunk_config,
            key_mapping={f"^{head.trunk}": ""} if head.trunk else None,
        )
    complete(set(report["missing_keys"]))
    _all_used(report["unexpected_keys"], head.prefixes)
    return HeadModel(tokenizer, model.to(place), head, checkpoint)


@contextmanager
def _no_report() -> Iterator[None]:
    """No tables of weights on stderr: what is missing or unused is an error of one line here."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)


def _plain(
    source: Source, checkpoint: Checkpoint, place: torch.device, dtype: torch.dtype
) -> RewardModel:
    """A sequence classifier; refused if its checkpoint has tensors that it does not use."""
    for name in checkpoint.architectures:
        if name in _ELSEWHERE:
            raise InputError(f"the head of {name} is not known here; {_ELSEWHERE[name]}")
    if not checkpoint.config.get("model_type") and checkpoint.config.get("auto_map"):
        raise InputError(_unknown("its type of model"))
    with reading(), _no_report():
        tokenizer, model, report = from_files(AutoModelForSequenceClassification, source, dtype)
    complete(set(report["missing_keys"]))
    _all_used(report["unexpected_keys"], ())
    return SequenceClassifier(tokenizer, model.to(place))


def _all_used(unused: Collection[str], known: tuple[str, ...]) -> None:
    """Refuse a checkpoint with tensors that nothing reads: its rewards would be wrong."""
    left = [name for name in unused if not name.startswith((*known, *_NO_HEAD))]
    if left:
        raise InputError(_unknown(f"its weights {', '.join(sorted(left)[:3])}"))


def _unknown(what: str) -> str:
    return (
        f"no known head uses {what}; serve the model (vllm-classify:URL), or let the code of its "
        "repository run by naming it: remote_code='OWNER/NAME'"
    )


def _trunk_config(checkpoint: Checkpoint, head: Head) -> Any:  # noqa: ANN401 - as above
    """The transformer's configuration; some checkpoints name only the model that it is of."""
    base = checkpoint.config.get("base_model_name_or_path")
    named = checkpoint.config.get("model_type")
    path = checkpoint.path if named or not base else str(base)
    try:
        with sound_config():
            return AutoConfig.from_pretrained(path, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"the configuration of {path!r}, which the {head.title} is over, cannot be read: "
            f"{str(error).strip().partition(chr(10))[0]}; put it there, or write model_type and "
            "its fields into config.json"
        ) from error


def _own_code(
    source: Source, checkpoint: Checkpoint, place: torch.device, dtype: torch.dtype
) -> RewardModel:
    classes = checkpoint.config.get("auto_map") or {}
    kind: Any = (
        AutoModelForSequenceClassification
        if "AutoModelForSequenceClassification" in classes
        else AutoModel
    )
    with reading(), _no_report():
        tokenizer, model, report = from_files(kind, source, dtype, code=True)
    complete(set(report["missing_keys"]))
    return OwnCodeModel(tokenizer, model.to(place))
