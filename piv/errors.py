"""The errors that a user can cause.

::

    PIVError                 anything the user can put right; the command line prints it as one line
    +-- InputError           an image, mask, file or array that cannot be used
    +-- SettingsError        an unknown setting, or a value outside its range
    +-- WeightsError         weights that are unknown, damaged or not ours
    +-- StorageError         a disk that is full, or refuses to write

Any other exception is a bug and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class PIVError(Exception):
    """Something the user can put right; the message says what was wanted, what came, what to do."""


class InputError(PIVError, ValueError):
    """An image, mask, file or array that cannot be used."""


class SettingsError(PIVError, ValueError):
    """An unknown setting, or a value outside its range."""


class WeightsError(PIVError):
    """Weights that are unknown, damaged or not of this project."""


class StorageError(PIVError):
    """A disk that is full, or refuses to write; what was finished before is kept."""


def nearest(word: str, known: Iterable[str], *, few: bool = True) -> str:
    """End of a message about an unknown word: which one was meant, or which are known.

    Parameters
    ----------
    word : str
    known : iterable of str
    few : bool
        Whether they are few enough to be listed.
    """
    words = list(known)
    if close := difflib.get_close_matches(word, words, n=1, cutoff=0.5):
        return f": did you mean {close[0]}?"
    return f"; known are {', '.join(words)}" if few else "; --help lists the known ones"
