"""Give a script other seeds than it sets itself, so that a trial can be repeated with other luck.

What the script hands to `torch.manual_seed`, `numpy.random.seed`, `random.seed`, to a
`torch.Generator` or to `numpy.random.default_rng` is shifted by one number. A script that sets no
seed is given one: two runs can only be compared if they draw the same numbers.
`numpy.random.RandomState` and what is built on it (`random_state=` of scikit-learn) stay as they are.
"""

import functools
import itertools
import random
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from gradmedic.launch.import_hook import after_import

Seeder = Callable[..., Any]

LARGEST = 2**32
"""numpy takes no seed from here on."""


def shift_seeds(by: int) -> None:
    """Shift every seed that this process will set from now on; it starts with seeds of its own."""
    random.seed(by)
    _wrap(random, "seed", by)
    after_import("numpy.random", lambda: _in_numpy(sys.modules["numpy.random"], by))
    after_import("torch", lambda: _in_torch(sys.modules["torch"], by))


def _in_numpy(numpy_random: ModuleType, by: int) -> None:
    numpy_random.seed(by)
    _wrap(numpy_random, "seed", by)
    # Generators that ask for no seed get different ones, the same in every run.
    _wrap(numpy_random, "default_rng", by, itertools.count(by + LARGEST // 2))


def _in_torch(torch: Any, by: int) -> None:
    torch.manual_seed(by)
    _wrap(torch, "manual_seed", by)
    torch.random.manual_seed = torch.manual_seed
    torch.seed = torch.random.seed = lambda: torch.manual_seed(0).initial_seed()
    torch.Generator = _shifted_generator(torch.Generator, by)


def _wrap(owner: Any, name: str, by: int, unseeded: "itertools.count[int] | None" = None) -> None:
    """Put a seeding function in the place of another; a seed that is no whole number stays as it is."""
    original: Seeder = getattr(owner, name)
    fresh = unseeded or itertools.repeat(by)

    @functools.wraps(original)
    def shifted(seed: Any = None, *args: Any, **kwargs: Any) -> Any:
        if seed is None and not kwargs:
            seed = next(fresh)
        elif hasattr(seed, "__index__") and not isinstance(seed, bool):
            seed = (int(seed) + by) % LARGEST if 0 <= int(seed) < LARGEST else int(seed) + by
        return original(seed, *args, **kwargs)

    setattr(owner, name, shifted)


def _shifted_generator(base: Any, by: int) -> Any:
    """A generator like torch's own. The class itself cannot be changed, and instances of both pass for either."""

    class Either(type(base)):  # type: ignore[misc]
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, base)

    class Generator(base, metaclass=Either):  # type: ignore[misc]
        def manual_seed(self, seed: int) -> Any:
            super().manual_seed(int(seed) + by)
            return self

    return Generator
