"""What to do against gradients that explode, by the way in which they do."""

from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Cure

CLIP = "torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)  # between backward() and step()"


def _clip() -> Cure:
    return Cure(Message("Clip the gradient's norm, which bounds the step but leaves the cause"), CLIP)


def recurrent_cures() -> tuple[Cure, ...]:
    """For growth over time."""
    straight = Cure(
        Message("Start the recurrent weights so that they keep the size"), "nn.init.orthogonal_(rnn.weight_hh_l0)"
    )
    return straight, _clip(), Cure(Message("Use a gated cell"), "nn.LSTM(inputs, hidden, batch_first=True)")


def deep_cures() -> tuple[Cure, ...]:
    """For growth over depth."""
    start = Cure(
        Message("Initialize the weights for their fan-in"),
        'nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")\nnn.init.zeros_(layer.bias)',
    )
    swap = Cure(Message("Replace activations that are steeper than a line, such as exp or powers"), "nn.ReLU()")
    return start, swap, Cure(Message("Normalize between the layers"), "nn.LayerNorm(width)"), _clip()


def scale_cures() -> tuple[Cure, ...]:
    """For a gradient that is too large from the start."""
    scale = Cure(Message("Bring targets and inputs to a size near one"), "y = (y - y.mean()) / y.std()")
    adaptive = Cure(
        Message("Use an optimizer that does not depend on the gradient's size"),
        "torch.optim.Adam(model.parameters(), lr=1e-3)",
    )
    return scale, adaptive, _clip()


def bound_cures() -> tuple[Cure, ...]:
    """For growth over the steps."""
    bound = Cure(
        Message("Bound the objective: a penalty on the gradient, spectral normalization or clipped weights"),
        "layer = torch.nn.utils.parametrizations.spectral_norm(layer)",
    )
    return bound, Cure(Message("Lower the learning rate")), _clip()
