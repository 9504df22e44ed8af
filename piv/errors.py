"""The errors that a user can cause.

::

    PIVError                 anything the user can put right; the command line prints it as one line
    +-- InputError           an image, mask, file or array that cannot be used
    +-- SettingsError        an unknown setting, or a value outside its range
    +-- WeightsError         weights that are unknown, damaged or not ours

Any other exception is a bug and keeps its traceback.
"""


class PIVError(Exception):
    """Something the user can put right; the message says what was wanted, what came, what to do."""


class InputError(PIVError, ValueError):
    """An image, mask, file or array that cannot be used."""


class SettingsError(PIVError, ValueError):
    """An unknown setting, or a value outside its range."""


class WeightsError(PIVError):
    """Weights that are unknown, damaged or not of this project."""
