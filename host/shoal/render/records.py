"""Functions of several users: what these have in common is literal in the function, the rest in a record of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shoal.operators.base import Constant
from shoal.plan.sharing import common, differing, multiple, scalar_type
from shoal.plan.steps import Copy, Page, Span
from shoal.render.text import C_TYPES, Members

#: the name of each constant's array, by dtype and bytes
Names = Mapping[tuple[str, bytes], str]


@dataclass(frozen=True)
class User:
    """What one step or part brings to a function: offsets into the arena, its kernel's shape, how its rows lie (for a
    function that computes rows), its kernel's parameters and constants; `brought`: what these come into the arena by,
    if they do."""

    addresses: Mapping[str, int]
    shape: Sequence[tuple[str, int]]
    parameters: Sequence[tuple[str, int | float]]
    constants: Sequence[Constant]
    geometry: Sequence[tuple[str, int]] = ()
    brought: Page | Copy | None = None

    @property
    def starts(self) -> tuple[tuple[str, int], ...]:
        """Where each constant starts inside of what is brought."""
        if self.brought is None:
            return ()
        return tuple(zip((c.role for c in self.constants), self.brought.constants, strict=True))

    @property
    def places(self) -> dict[str, int]:
        """Offsets into the arena by the record's member."""
        return dict(self.addresses) | ({} if self.brought is None else {BROUGHT: self.brought.place})


@dataclass(frozen=True)
class Function:
    """A function bound to its users: members of its kernel's shape and arguments and of its rows' geometry, literals or
    from its record. `fields`: C type and name of the record's members; `units`: what some of them are counted in."""

    shape: Members
    args: Members
    geometry: Mapping[str, int | str]
    fields: tuple[tuple[str, str], ...]
    units: Mapping[str, int]

    def record(self, user: User, names: Names, spans: Sequence[Span]) -> Members:
        """What a user's record holds, in an arena of these parts."""
        values: dict[str, Any] = dict(user.starts)
        if user.brought is None:
            values = {c.role: constant(c, names) for c in user.constants}
        values |= {name: place(offset, spans) for name, offset in user.places.items()}
        values |= dict((*user.shape, *user.geometry, *user.parameters))
        values |= {name: values[name] // unit for name, unit in self.units.items()}
        return [(name, values[name]) for _, name in self.fields]


def bind(users: Sequence[User], spans: Sequence[Span]) -> Function:
    """The function of these users. Offsets are members of its kernel's arguments, too, unless it computes rows; in an
    arena of several parts they are addresses of the machine."""
    shape, parameters = common([u.shape for u in users]), common([u.parameters for u in users])
    geometry = common([u.geometry for u in users])
    addresses = [name for name in users[0].addresses]
    values = [dict((*u.shape, *u.geometry, *u.parameters)) for u in users]
    units = {n: multiple(int(v[n]) for v in values) for n in differing((*shape, *geometry))}
    scalars = [
        (scalar_type([u.places[n] for u in users], "uint32") if len(spans) == 1 else "uint32", n)
        for n in users[0].places
    ]
    scalars += [
        (scalar_type([v[n] // units[n] if n in units else v[n] for v in values]), n)
        for n in values[0]
        if n in units or n in differing(parameters)
    ]
    pointers = [(f"const {C_TYPES[c.values.dtype.name]} *", c.role) for c in users[0].constants]
    data = [(n, from_record(n)) for n in (() if geometry else addresses)]
    if users[0].brought is None:
        data += [(role, from_record(role)) for _, role in pointers]
    else:
        starts = common([u.starts for u in users])
        scalars += [(scalar_type([dict(u.starts)[n] for u in users], "uint32"), n) for n in differing(starts)]
        data += [
            (
                role,
                f"({type_})(const void *)(base + {from_record(BROUGHT)} + {from_record(role) if at is None else at})",
            )
            for (type_, role), (_, at) in zip(pointers, starts, strict=True)
        ]
        pointers = []
    # the widest first, so that they lie without gaps
    scalars.sort(key=lambda field: -np.dtype(field[0]).itemsize)
    return Function(
        shape=[(n, from_record(n, units.get(n, 1)) if v is None else v) for n, v in shape],
        args=[
            *data,
            *((n, from_record(n) if v is None else v) for n, v in parameters),
        ],
        geometry={n: from_record(n, units.get(n, 1)) if v is None else int(v) for n, v in geometry},
        fields=(*pointers, *((C_TYPES[dtype], n) for dtype, n in scalars)),
        units=units,
    )


#: the member of a record that says where its constants are brought to
BROUGHT = "constants"


def constant(one: Constant, names: Names) -> str:
    """The array that holds a constant, from its beginning."""
    return names[one.values.dtype.str, one.values.tobytes()]


def place(offset: int, spans: Sequence[Span]) -> int | str:
    """How generated code names a place in the arena: by its offset or, where the arena's parts lie in several regions,
    by what the model's C calls the part, and the offset in it."""
    if len(spans) == 1:
        return offset
    span = max((s for s in spans if s.start <= offset), key=lambda s: s.start)
    return f"in_{span.region}({offset - span.start})"


def from_record(member: str, unit: int = 1) -> str:
    return f"record->{member}" if unit == 1 else f"record->{member} * {unit}"


def operands(role: str, count: int) -> list[str]:
    """The members that hold the operands of a role: `input`, or `input_0`, `input_1`, … where there are several."""
    return [role] if count == 1 else [f"{role}_{i}" for i in range(count)]
