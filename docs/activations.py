"""Write the page of each activation and gate to docs/activations, and a table that compares gains."""

from pathlib import Path

from torch.nn.init import calculate_gain

from gradmedic.render.manual.activation_page import page
from gradmedic.theory.activations import all_activations, all_gates
from gradmedic.theory.kernels.traits import traits

FOLDER = Path(__file__).parent / "activations"

HEAD = """# Activations

What each does to signals and gradients at initialization; computed, as `gradmedic activations` shows them.
`gm.gain(name)` gives the critical gain, which knows the standard deviation that biases need with it; `forward` is
1/sqrt(E f^2), `backward` 1/sqrt(E f'^2), both for inputs of mean square 1. `torch` is
`torch.nn.init.calculate_gain`, which knows few, and not all of them right for deep networks: 5/3 for tanh lets
gradients grow, 1 for sigmoid lets them vanish, 3/4 for SELU loses its fixed point.

| activation | torch | forward | backward | critical | bias std |
| --- | ---: | ---: | ---: | ---: | ---: |
"""
TORCH = {"identity": "linear"}


def row(name: str) -> str:
    """One line of the table."""
    known = traits(all_activations()[name]())
    try:
        theirs = f"{calculate_gain(TORCH.get(name, name)):.4g}"  # type: ignore[arg-type]
    except ValueError:
        theirs = "-"
    at = known.critical
    point = f"{at.sigma_w:.4g} | {round(at.sigma_b2**0.5, 4):.3g}" if at else "- | -"
    return f"| [{name}]({name}.md) | {theirs} | {known.forward:.4g} | {known.backward:.4g} | {point} |\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in (*all_activations(), *all_gates()):
        (FOLDER / f"{name}.md").write_text(page(name), encoding="utf-8")
    gates = ", ".join(f"[{name}]({name}.md)" for name in all_gates())
    table = "".join(row(name) for name in all_activations())
    (FOLDER / "README.md").write_text(f"{HEAD}{table}\nGates: {gates}\n", encoding="utf-8")
