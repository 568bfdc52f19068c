"""Judges and runs as folders that others can use, and their way to the Hub."""

from deemster.backends.judge_file import JudgeFile
from deemster.publishing.bundle import Bundle
from deemster.publishing.hub import upload
from deemster.publishing.model_folder import model_bundle
from deemster.publishing.run_folder import run_bundle

__all__ = ["Bundle", "JudgeFile", "model_bundle", "run_bundle", "upload"]
