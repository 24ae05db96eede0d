"""Carbon per bit (NCIe) beside TREE.

Source: ITU-T L.1333 (09/2022), network carbon intensity energy: energy times the emission factor of its source, over
the data traffic at the user interface, in kg CO2e per bit; operation only.
"""

from __future__ import annotations

from carbon_data.units import BITS_PER_BYTE
from experiments.disclosure.entry import Entry, Section
from experiments.disclosure.part import Part
from experiments.report.lifecycle.books import STAGES
from experiments.report.lifecycle.embodied import Embodied
from experiments.report.measures import alpha_bits_per_token, totals
from experiments.report.read import Run
from protos.messages.terms import Component

CARRYING = (str(Component.NETWORK), str(Component.RADIO_RX), str(Component.RADIO_TX))
TRAFFIC = ("users_up_bytes", "users_down_bytes", "outside_up_bytes", "outside_down_bytes")
GRAMS_PER_KG = 1e3
NO_TRAFFIC = "no user's byte crossed the network in this run"
INTRO = (
    "Traffic is what users sent and received: the data they gave, requests and answers, also those of outside "
    "clients. Models and "
    "batches that nodes exchange are the network's own matter: their joules count, their bits do not. Harvested "
    "energy has the "
    "factor zero. TREE counts bits and tokens per joule of the whole testbed."
)


def traffic_bits(run: Run) -> float:
    """Bits at the user interface, both ways."""
    slots = run.tables["slots"]
    return BITS_PER_BYTE * float(sum(slots[name].sum() for name in TRAFFIC if name in slots))


def network(run: Run, made: Embodied) -> Section:
    """NCIe of the network's part and of the whole testbed; TREE and energy efficiency."""
    whole, bits, one = Part(run, STAGES, made), traffic_bits(run), totals(run)
    carrying = whole.lines[whole.lines["component"].isin(CARRYING)]
    alpha = alpha_bits_per_token(run)
    source = "lines.parquet, slots.parquet"

    def per_bit(key: str, label: str, grams: float, what: str) -> Entry:
        value = grams / GRAMS_PER_KG / bits if bits > 0 else None
        how = f"grams of {what} / {bits:.0f} bits at the user interface"
        return Entry(
            key,
            label,
            value,
            "kg CO2e/bit",
            how,
            source,
            whole.known.text if value is not None else "",
            "" if value is not None else NO_TRAFFIC,
        )

    def per_joule(key: str, label: str, value: float | None, how: str) -> Entry:
        why = (
            ""
            if value is not None
            else "the run does not record what it takes (alpha, tokens), or used no energy"
        )
        return Entry(key, label, value, "bit/J", how, source, whole.known.text if not why else "", why)

    return Section(
        "network",
        "Carbon per bit, and TREE",
        INTRO,
        [
            per_bit(
                "ncie_network_kg_per_bit",
                "NCIe, radios and network",
                float(carrying["operational_g"].sum()),
                "radios and network",
            ),
            per_bit(
                "ncie_testbed_kg_per_bit", "NCIe, whole testbed", whole.operational_g, "the whole testbed"
            ),
            per_joule(
                "tree_bit_per_j",
                "TREE",
                one.tree_testbed_bit_per_j,
                f"(bits + alpha x tokens) / J, alpha = {alpha:g} bit/token" if alpha is not None else "(T1)",
            ),
            per_joule("ee_bit_per_j", "energy efficiency", one.ee_testbed_bit_per_j, "bits / J"),
        ],
    )
