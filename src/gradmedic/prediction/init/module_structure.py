"""How weights are used as far as the modules tell by their kind and order: for when no pass can be made."""

from dataclasses import replace
from math import prod

from torch import nn

from gradmedic.theory.activations import Activation, Custom, activation, all_activations
from gradmedic.theory.activations.relu import Relu
from gradmedic.theory.plan.parameter_uses import WeightUse
from gradmedic.theory.plan.paths import Origin

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def by_structure(model: nn.Module) -> dict[str, WeightUse]:
    """The uses of the weights of known modules; where no module is an activation it is taken to be ReLU."""
    found: dict[str, WeightUse] = {}
    chain = [(path, module) for path, module in model.named_modules() if not any(module.children())]
    phis = [_activation(module) for _, module in chain]
    unknown = Relu() if not any(phis) else None
    last, before = "", None
    for (path, module), phi in zip(chain, phis, strict=True):
        use = use_of(module)
        if phi is not None:
            before = phi
            if last and found[last].after is None:
                found[last] = replace(found[last], after=phi)
        elif use is not None:
            origin = Origin.DATA if not found else Origin.ACTIVATION if before or unknown else Origin.WEIGHTS
            if last and unknown:
                found[last] = replace(found[last], after=unknown)
            bent = (before or unknown) if found else None
            last, before = _named(path, "weight"), None
            biases = (_named(path, "bias"),) if getattr(module, "bias", None) is not None else ()
            found[last] = replace(use, origin=origin, before=bent, biases=biases)
    if last:
        found[last] = replace(found[last], head=not found[last].table)
    return found


def use_of(module: nn.Module) -> WeightUse | None:
    """The fans of a module's weight, if it is of a kind that is known."""
    if isinstance(module, nn.Linear):
        return WeightUse(module.in_features, module.out_features)
    if isinstance(module, nn.Bilinear):
        return WeightUse(module.in1_features * module.in2_features, module.out_features, (1, 2))
    if isinstance(module, nn.Embedding):
        return WeightUse(1.0, module.embedding_dim, (), table=True)
    if isinstance(module, CONVOLUTIONS):
        taps = prod(module.kernel_size)
        groups = module.groups
        return WeightUse(
            module.in_channels // groups * taps,
            module.out_channels // groups * taps,
            (1, *range(2, 2 + len(module.kernel_size))),
        )
    if isinstance(module, TRANSPOSED):
        taps, stride = prod(module.kernel_size), prod(module.stride)
        fan_in = module.in_channels // module.groups * taps / stride
        return WeightUse(
            fan_in, module.out_channels // module.groups * taps, (0, *range(2, 2 + len(module.kernel_size)))
        )
    return None


def _activation(module: nn.Module) -> Activation | None:
    kinds = {name for kind in all_activations().values() for name in kind.modules}
    if type(module).__name__ not in kinds:
        return None
    found = activation(module)
    return None if isinstance(found, Custom) else found


def _named(path: str, leaf: str) -> str:
    return f"{path}.{leaf}" if path else leaf
