"""Find functions that are written out by hand, x * sigmoid(x) for example, and make one step of each.

Their operands are anything but independent, so that rules for products and sums would be wrong.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from gradmedic.theory.plan.expression_activation import AFFINE, FUNCTIONS, ExpressionProgram, Instruction
from gradmedic.theory.plan.plan import Edge, Plan, Step


def fused(plan: Plan) -> Plan:
    """The plan with every written-out function of one signal as a step "fused"; what is within becomes "inside"."""
    barriers: set[int] = set()
    users = plan.consumers()
    while True:
        roots = _roots(plan, barriers)
        regions = list(_regions(plan, roots, users))
        leaks = {i for end, inside in regions for i in inside if _leaks(i, inside | {end}, users)}
        if not leaks:
            break
        barriers |= leaks
    steps = list(plan.steps)
    for end, inside in regions:
        if _is_worth_it(plan, inside | {end}):
            _replace(steps, plan, roots[end], end, sorted(inside))
    return replace(plan, steps=tuple(steps))


def _roots(plan: Plan, barriers: set[int]) -> dict[int, Edge]:
    """For each step that is a function of one signal only, that signal."""
    roots: dict[int, Edge] = {}
    for i, step in enumerate(plan.steps):
        if step.op not in FUNCTIONS or not _is_plain(plan, step):
            continue
        behind = {
            roots.get(edge[0], edge) if edge[0] not in barriers else edge for edge in step.inputs if edge is not None
        }
        if len(behind) == 1 and plan.steps[next(iter(behind))[0]].op not in ("parameter", "data"):
            roots[i] = behind.pop()
    return roots


def _is_plain(plan: Plan, step: Step) -> bool:
    """True if nothing is broadcast, and all constants are numbers."""
    known = step.attributes.get("constants", {})
    for slot, edge in enumerate(step.inputs):
        if edge is None:
            if slot not in known or known[slot].shape != ():
                return False
        elif plan.steps[edge[0]].shapes[edge[1]] != step.shape:
            return False
    return True


def _regions(
    plan: Plan, roots: Mapping[int, Edge], users: Mapping[Edge, list[tuple[int, int]]]
) -> Iterator[tuple[int, set[int]]]:
    """Each function's last step, and all steps that lie between it and what it is a function of."""
    for end in roots:
        after = [user for user, _ in users.get((end, 0), ())]
        if after and all(roots.get(user) == roots[end] for user in after):
            continue
        inside, waiting = set[int](), [end]
        while waiting:
            for edge in plan.steps[waiting.pop()].inputs:
                if (
                    edge is not None
                    and roots.get(edge[0]) == roots[end]
                    and edge != roots[end]
                    and edge[0] not in inside
                ):
                    inside.add(edge[0])
                    waiting.append(edge[0])
        yield end, inside


def _leaks(i: int, members: set[int], users: Mapping[Edge, list[tuple[int, int]]]) -> bool:
    return any(user not in members for user, _ in users.get((i, 0), ()))


def _is_worth_it(plan: Plan, members: set[int]) -> bool:
    """True if more than one of its operations bends, so that rules one after the other would be wrong."""
    return sum(_bends(plan.steps[i]) for i in members) > 1 or any(
        plan.steps[i].op not in AFFINE | {"activation"} for i in members
    )


def _bends(step: Step) -> bool:
    return step.op not in AFFINE or sum(edge is not None for edge in step.inputs) > 1


def _replace(steps: list[Step], plan: Plan, root: Edge, end: int, inside: list[int]) -> None:
    members = [*inside, end]
    at = {(i, 0): n for n, i in enumerate(members)} | {root: -1}
    program = ExpressionProgram(tuple(_line(plan.steps[i], at) for i in members))
    for n, i in enumerate(inside):
        attributes = {"phi": program, "line": n}
        steps[i] = replace(plan.steps[i], op="inside", inputs=(*plan.steps[i].inputs, root), attributes=attributes)
    inputs = (*plan.steps[end].inputs, root, *((i, 0) for i in inside))
    steps[end] = replace(plan.steps[end], op="fused", inputs=inputs, attributes={"phi": program, "inside": len(inside)})


def _number(step: Step, slot: int, told: float) -> float:
    """A constant as it was written: of a divisor the plan has the reciprocal."""
    return 1.0 / told if step.op == "div" and slot == 1 else told


def _line(step: Step, at: Mapping[Edge, int]) -> Instruction:
    known = step.attributes.get("constants", {})
    operands = tuple(
        at[edge] if edge is not None else _number(step, slot, known[slot].law.mean)
        for slot, edge in enumerate(step.inputs)
        if edge is not None or slot in known
    )
    kept: dict[str, Any] = {
        name: step.attributes[name] for name in ("alpha", "other", "exponent", "phi") if name in step.attributes
    }
    return Instruction(step.op, operands, tuple(kept.items()))
