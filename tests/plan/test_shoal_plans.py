"""Plans of a shoal: who runs what, and what is left when a node is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shoal import boards
from shoal.link.wire import PIPE, goodput
from shoal.network.read_tflite import read
from shoal.network.simplify import simplify
from shoal.network.slices import input_channels
from shoal.plan.costs import Place
from shoal.plan.place import HOST
from shoal.plan.profiles import Wire
from shoal.plan.residents import routes
from shoal.plan.shoals import Division, Lacking, Wanted, divide, fallbacks, held_by, seated, sliced, squeezed
from shoal.plan.steps import Options, Seat
from shoal.render.manifest import cuts
from wide_network import wide_network

KINDS = ("netduinoplus2", "mps2_an386", "esp32c3")


def places(kinds=KINDS, **options):
    loaded = [boards.load(k) for k in kinds]
    return tuple(
        Place(b, Options(**options), Wire(PIPE if b.hal == "host" else goodput(b.uarts[0].baud), "model"))
        for b in loaded
    )


@pytest.fixture(scope="module")
def ic(data):
    return simplify(read(data / "models" / "mlperf_ic_int8.tflite"))


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    path = tmp_path_factory.mktemp("wide") / "wide.tflite"
    path.write_bytes(wide_network())
    return simplify(read(path))


#: boundary 2 lies inside of a residual block: two tensors cross it
PINS = {1: 0, 2: 1, 9: 2}


def test_in_a_chain_all_that_is_live_goes_to_the_next_node(ic):
    wanted = Wanted(ic, places(), "chain", pins=PINS)
    found = divide(wanted)
    assert found.nodes == [0, 1, 2]
    for one, to in zip(found.assignments, (1, 2, HOST), strict=True):
        assert one.inputs == ic.live(one.first)
        assert one.outputs == tuple((t, to) for t in ic.live(one.last))
    assert len(found.assignments[1].inputs) == 2


def test_in_a_star_all_goes_to_the_host_and_nothing_is_carried(ic):
    found = divide(Wanted(ic, places(), "star", pins=PINS))
    made = [t for one in found.assignments for t, to in one.outputs if to == HOST]
    assert len(set(made)) == len(made)
    assert all(set(one.inputs) <= {*ic.inputs, *made} for one in found.assignments)


@pytest.mark.parametrize("topology", ["star", "chain"])
def test_latency_is_what_chunks_and_wires_take_one_after_another(ic, topology):
    wanted = Wanted(ic, places(), topology, pins=PINS)
    found = divide(wanted)
    computing = sum(a.times.compute for a in found.assignments)
    first, *others = (a.times for a in found.assignments)
    if topology == "star":
        assert found.latency == sum(a.times.total for a in found.assignments)
    else:
        assert found.latency == first.receive + computing + first.send + sum(t.send for t in others)
        assert [t.receive for t in others] == [first.send, others[0].send]
    assert found.stage >= max(t.compute + t.send for t in (first, *others))


def test_without_room_for_what_waits_a_stage_is_all_of_a_chunk(ic):
    waiting, bare = (divide(Wanted(ic, places(), "chain", pins=PINS, waiting=w)) for w in (True, False))
    assert all(a.need.receives and a.need.retains for a in waiting.assignments)
    for one in bare.assignments:
        assert not (one.need.receives or one.need.retains)
        assert one.times.stage == one.times.receive + one.times.compute + one.times.send
    assert waiting.stage < bare.stage


@pytest.mark.parametrize("topology", ["star", "chain"])
def test_where_all_of_it_fits_any_node_may_be_lost(ic, topology):
    wanted = Wanted(ic, places(), topology)
    main = divide(wanted)
    held = held_by(wanted, main)
    others = fallbacks(wanted, main, held)
    assert [d.lost for d in others] == [(n,) for n in main.nodes]
    assert all(len(plans) == 1 for plans in held.values())
    for one in others:
        assert sorted(one.nodes) == sorted(set(main.nodes) - set(one.lost))
        assert one.assignments[0].first == 0
        assert one.assignments[-1].last == len(ic.operators)


def test_behind_a_gap_a_chain_takes_as_many_hops_as_it_has_wires(ic):
    wanted = Wanted(ic, places(), "chain")
    main = divide(wanted)
    [_, middle, _] = fallbacks(wanted, main, held_by(wanted, main))
    there = middle.assignments[0]
    # node 0 is on the host's left wire, node 2 on its right one: what goes from one to the other takes both
    assert there.times.send == 2 * wanted.costs.moved(there.node, HOST, [t for t, _ in there.outputs])


def test_nodes_that_hold_chunks_hold_those_that_they_may_have_to_run(ic):
    wanted = Wanted(ic, places(), "chain", pins=PINS, whole=False)
    main = divide(wanted)
    held = held_by(wanted, main)
    others = [d for d in fallbacks(wanted, main, held) if isinstance(d, Division)]
    assert others
    for node, plans in held.items():
        asked = [a for d in (main, *others) for a in d.assignments if a.node == node]
        sizes = [(a.need.bytes_in, a.need.bytes_out) for a in asked]
        image = seated(plans, sizes, Seat(node + 1, routes("chain", node + 1, 3)), True)
        assert image.residents[0].receive_bytes == max(s[0] for s in sizes)
        for one in asked:
            assert any({one.first, one.last} <= {*cuts(r)} for r in image.residents)


def test_what_does_not_fit_when_a_node_is_lost_is_said(wide):
    wanted = Wanted(wide, places(flash_budget=300_000))
    main = divide(wanted)
    lacking = fallbacks(wanted, main, held_by(wanted, main))
    assert all(isinstance(one, Lacking) and one.node != one.lost and one.short > 0 for one in lacking)


def test_a_layer_that_outgrows_every_node_is_cut(wide):
    wanted = Wanted(wide, places(flash_budget=200_000))
    assert divide(wanted) is None
    cut, found = sliced(wanted)
    assert cut.graph.slices == ((4, 3),) or cut.graph.slices[0][1] > 1
    for one in found.assignments:
        assert one.need.prediction.code_bytes + one.need.prediction.weights_bytes <= 200_000
    assert sliced(replace(wanted, pins={0: 0})) is None


def test_chunks_are_planned_in_little_memory_where_nothing_else_fits(ic):
    wanted = Wanted(ic, places(KINDS[:2], ram_budget=30_000))
    assert divide(wanted) is None
    found = squeezed(wanted)
    tight = [a for a in found.assignments if a.need.ram_short > 0]
    assert tight
    for plans in held_by(wanted, found).values():
        assert plans[0].arena_bytes <= 30_000
    assert squeezed(Wanted(ic, places(KINDS[:2], ram_budget=3_000))) is None


@pytest.mark.parametrize("topology", ["star", "chain"])
def test_parts_of_a_layer_run_side_by_side_and_meet_at_the_next_node(wide, topology):
    layer = next(o.index for o in wide.operators if o.kind == "fully_connected")
    graph = input_channels(wide, layer, 2)
    apart = frozenset({layer, layer + 1, layer + 2})
    wanted = Wanted(graph, places((*KINDS, "mps2_an386")), topology, apart=apart)
    found = divide(wanted)
    front, one, other, join = found.assignments
    assert (one.first, one.last, other.first, other.last) == (layer, layer + 1, layer + 1, layer + 2)
    assert one.inputs == other.inputs
    sums = [a.outputs[0][0] for a in (one, other)]
    assert set(sums) <= set(join.inputs)
    assert all(graph.tensors[t].dtype == "int32" for t in sums)
    if topology == "chain":
        assert front.outputs == ((one.inputs[0], one.node), (one.inputs[0], other.node))
        assert [a.outputs for a in (one, other)] == [((t, join.node),) for t in sums]
    slower = max(a.times.receive + a.times.compute + a.times.send for a in (one, other))
    assert found.latency == front.times.total + slower + join.times.total
