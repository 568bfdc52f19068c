"""To the Hub, in one commit."""

from __future__ import annotations

from typing import Any

from deemster.backends.hub import REPOSITORY
from deemster.errors import InputError
from deemster.extras import need
from deemster.publishing.bundle import Bundle


def check_repository(name: str) -> str:
    """A repository's name.

    Raises:
        InputError: it is not OWNER/NAME.
    """
    if not REPOSITORY.match(name):
        raise InputError(f"repository {name!r}; write OWNER/NAME")
    return name


def upload(
    bundle: Bundle,
    repository: str,
    *,
    public: bool = False,
    revision: str | None = None,
    message: str = "Upload by deemster",
) -> str:
    """Publish a bundle; returns the address of the commit.

    The repository is made if it is not there, and private unless `public`; one that is there stays
    as visible as it is. The token is that of `hf auth login`, or `HF_TOKEN`.

    Args:
        bundle: what; `Bundle.check` is called first.
        repository: OWNER/NAME.
        public: whether a new repository can be read by all.
        revision: a branch, made if it is not there; default: the main one.
        message: of the commit.

    Raises:
        InputError: a secret is in a file, the Hub cannot be reached, or it refuses.
    """
    check_repository(repository)
    need("local", f"publishing {repository!r}", otherwise="write a folder with --to")
    bundle.check()
    import httpx  # noqa: PLC0415 - as the next
    from huggingface_hub import CommitOperationAdd, HfApi  # noqa: PLC0415 - slow to import
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError  # noqa: PLC0415

    operations = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=one)
        for name, one in sorted(bundle.files.items())
    ]
    kind: dict[str, Any] = {"repo_id": repository, "repo_type": bundle.kind}
    api = HfApi(library_name="deemster")
    try:
        api.create_repo(**kind, private=not public, exist_ok=True)
        if revision is not None:
            api.create_branch(**kind, branch=revision, exist_ok=True)
        done = api.create_commit(
            **kind, operations=operations, commit_message=message, revision=revision
        )
    except LocalTokenNotFoundError as error:
        raise InputError(f"cannot publish {repository!r}: {_LOGIN}") from error
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        reason = f"it answered {status}; {_LOGIN}" if status in (401, 403) else _first(error)
        raise InputError(f"the Hub refuses {repository!r}: {reason}") from error
    except (httpx.HTTPError, OSError) as error:
        raise InputError(f"cannot reach the Hub: {_first(error)}") from error
    return str(done.commit_url)


_LOGIN = "log in with 'hf auth login', or set HF_TOKEN to a token that may write there"


def _first(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
