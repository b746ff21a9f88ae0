"""Everything gradmedic raises.

* GradmedicError
  - SettingsError    a key or value nobody knows; the message names the nearest right one
  - RecordingError   not a recording, or of a version that cannot be read
  - LaunchError      the script could not be found or started
  - ProbeError       nothing to see: no backward pass, no step
  - RemedyError      a treatment that cannot be given to this patient: the message says why
  - PluginError      a rule, renderer or sink broke its contract
  - ActivationError  no such activation, or none with such parameters (also a ValueError)
  - InitError        weights that cannot be initialized: not there yet, sharded, or made of others
  - TheoryError      what was asked has no answer: a critical gain where none exists
"""


class GradmedicError(Exception):
    """Catch this one to catch them all."""


class SettingsError(GradmedicError):
    """A setting that nobody knows, or a value that it cannot take."""


class RecordingError(GradmedicError):
    """A folder that is no recording, or one of a version that cannot be read."""


class LaunchError(GradmedicError):
    """The script could not be found or started."""


class ProbeError(GradmedicError):
    """There was nothing to see: no backward pass, no parameter."""


class RemedyError(GradmedicError):
    """A treatment that cannot be given to this patient; the message says why."""


class PluginError(GradmedicError):
    """A rule, renderer or sink broke its contract; the message names it."""


class ActivationError(GradmedicError, ValueError):
    """Nobody knows that activation, or it is none, or it has no such parameter."""


class TheoryError(GradmedicError, ValueError):
    """What was asked has no answer; the message names a better way."""


class InitError(GradmedicError):
    """A model whose weights cannot be initialized as they are; the message names the weights and a way."""


class GradmedicWarning(UserWarning):
    """Something of ours failed; the run that we watch goes on without it."""
