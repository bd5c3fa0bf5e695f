"""The one error tree: mistakes a user can put right, each told in one line.

::

    SurError
    |-- SettingError      a wrong value, key or type in params.yaml (one line for every fault found)
    |-- InputError        a file that a stage reads is missing, damaged or of another shape
    |-- ModelError        a model folder is missing, incomplete or not the revision that params.yaml names
    |-- SourceError       a site is down, refuses us or answers nonsense
    |-- EmptyResultError  nothing is left after a filter
    `-- StorageError      the disk is full or cannot be written

Everything else is a programmer's mistake and keeps its traceback.
"""


class SurError(Exception):
    """A mistake that the user can put right. The message says what was found and what is needed."""


class SettingError(SurError):
    """params.yaml is wrong; the message holds one line for each fault."""


class InputError(SurError):
    """A file that is read is missing, damaged or not of the stated shape."""


class ModelError(SurError):
    """A model is missing, incomplete or not the one that params.yaml names."""


class SourceError(SurError):
    """A site is down, refuses access or answers with something that is not its format."""


class EmptyResultError(SurError):
    """No row is left, so that nothing after this stage could run."""


class StorageError(SurError):
    """The disk is full or a folder cannot be written."""
