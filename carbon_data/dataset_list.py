"""The large data files that the project can use: what they are, whose they are, and how to get them."""

from __future__ import annotations

from dataclasses import dataclass

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
EM_LICENCE = "ODbL-1.0 (Electricity Maps)"


@dataclass(frozen=True, slots=True)
class Dataset:
    """One file of the data folder. ``sha256`` is of the file itself; where another packing of the same
    content is as good (MNIST), ``content_md5`` of the decompressed bytes decides instead.
    """

    name: str
    path: str
    title: str
    origin: str
    licence: str
    size_bytes: int
    sha256: str
    content_md5: str | None = None
    urls: tuple[str, ...] = ()
    """Where the very same content can be had; empty for files that are derived."""
    instructions: str = ""
    """For a derived file: from what and how it is made."""


def _mnist(name: str, title: str, size_bytes: int, sha256: str, content_md5: str) -> Dataset:
    file_name = f"{name.removeprefix('mnist-')}.gz"
    return Dataset(
        name=name,
        path=f"mnist/{file_name}",
        title=title,
        origin="MNIST (LeCun, Cortes, Burges), idx files",
        licence="CC-BY-SA-3.0 (as stated by its mirrors)",
        size_bytes=size_bytes,
        sha256=sha256,
        content_md5=content_md5,
        urls=tuple(mirror + file_name for mirror in MNIST_MIRRORS),
    )


DATASETS: tuple[Dataset, ...] = (
    _mnist(
        "mnist-train-images-idx3-ubyte",
        "60,000 training images",
        9630610,
        "71524e2cd1ad2968737f7f2f2ff69cbfc32df8ccddff51593f7cb2d4e0eb5b64",
        "6bbc9ace898e44ae57da46a324031adb",
    ),
    _mnist(
        "mnist-train-labels-idx1-ubyte",
        "60,000 training labels",
        28878,
        "fe03b8bd7915f70bf5aa08be480aa413fbd85afcaa58b35d230d335f284fd88e",
        "a25bea736e30d166cdddb491f175f624",
    ),
    _mnist(
        "mnist-t10k-images-idx3-ubyte",
        "10,000 test images",
        1602050,
        "5634745efa576a17e7d4cf5cd9d09123c75e6538e5114267c2d156edaf519341",
        "2646ac647ad5339dbf082846283269ea",
    ),
    _mnist(
        "mnist-t10k-labels-idx1-ubyte",
        "10,000 test labels",
        4517,
        "ae18e77e031ccde52407f794d123116439864147d33ac992975f85dd4dc42af6",
        "27ae3e4e09519cfbb04c329615203637",
    ),
    Dataset(
        name="tinyshakespeare",
        path="text/tinyshakespeare.txt",
        title="1.1 MB of Shakespeare, for character models",
        origin="karpathy/char-rnn",
        licence="MIT (repository); the text is in the public domain",
        size_bytes=1115394,
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        urls=("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",),
    ),
    Dataset(
        name="em-lca-2022",
        path="carbon/ci_2022_hourly_em_lca_123zones.parquet",
        title="hourly life-cycle intensity of 123 zones, 2022",
        origin="Electricity Maps, through umassos/decarbonization-potential",
        licence=EM_LICENCE,
        size_bytes=3489396,
        sha256="7d0b02b3af8f6a47efcd500a62788e667b38df57ebc01b390cf8e607e350339a",
        instructions="derived: https://github.com/umassos/decarbonization-potential "
        "(provided_data/combined_carbon.csv), rows "
        "of 2022 in long form: timestamp (UTC), region, gCO2e_per_kWh. Another packing has another "
        "sha256: name the file as "
        "a `trace` source then. The packaged profiles need no file",
    ),
    Dataset(
        name="em-lca-2022-stats",
        path="carbon/annual_stats_2022_em_lca.csv",
        title="mean, range and quality counts of each of the 123 zones",
        origin="derived from em-lca-2022",
        licence=EM_LICENCE,
        size_bytes=9726,
        sha256="2e1d0c631a40552677831fd8846d501ea83ddb702e0e5239df9075ab2e95caf3",
        instructions="derived: statistics of em-lca-2022 by zone; nothing in the project needs it",
    ),
    Dataset(
        name="eia-production-2022",
        path="carbon/ci_2022_hourly_eia_production_8ba.csv.gz",
        title="hourly production-based intensity of 8 US balancing areas, 2022",
        origin="EIA-930, through HewlettPackard/dc-rl",
        licence="public domain (US government); repository MIT",
        size_bytes=366956,
        sha256="5eb8040673069bf98e8fca4fa9dc39985d1c5d0f3077dd1554ac95dde3daf91d",
        instructions="derived: https://github.com/HewlettPackard/dc-rl "
        "(data/CarbonIntensity/*_NG_&_avgCI.csv), column avg_CI "
        "to two decimals in long form: timestamp, region, gCO2e_per_kWh",
    ),
    Dataset(
        name="pnas-2016",
        path="carbon/ci_2016_consumption_annual_monthly_pnas.csv",
        title="consumption-based intensity of US balancing areas, 2016, annual and monthly",
        origin="de Chalendar, Taggart, Benson, PNAS 2019, repository jdechalendar/tracking_emissions",
        licence="MIT",
        size_bytes=58964,
        sha256="b54aa5fd673810e18283a1fe31faabfd7d3899e229cacb9b1e82c3ceb5bfffcb",
        instructions="derived: https://github.com/jdechalendar/tracking_emissions "
        "(data/analysis/SEED_CO2_*.csv, SEED_E_*.csv), "
        "emissions over energy by area and month",
    ),
    Dataset(
        name="eia-solar-wind-2022",
        path="renewables/solar_wind_pu_2022_hourly_eia_8ba.csv.gz",
        title="hourly solar and wind output per unit of the year's peak, 8 US balancing areas, 2022",
        origin="EIA-930, through HewlettPackard/dc-rl",
        licence="public domain (US government); repository MIT",
        size_bytes=437870,
        sha256="154eede784b02c8d00d5e60d4a2bfc816bfe5371beafc84c5f7bd3e1cc514709",
        instructions="derived: https://github.com/HewlettPackard/dc-rl "
        "(data/CarbonIntensity/*_NG_&_avgCI.csv), columns SUN and "
        "WND over their yearly maximum, four decimals: timestamp, region, solar_pu, wind_pu. PV from "
        "pvlib needs no file",
    ),
    Dataset(
        name="pi4-power",
        path="power/pi4_power.csv",
        title="published power figures of the Raspberry Pi 4B, a source in every row",
        origin="collected from the sources named in its rows",
        licence="facts",
        size_bytes=7662,
        sha256="184d57e5980faa921634a8096b708a908e854274ec9b887c50723b3f6d7ee96c",
        instructions="collected by hand; the figures used are packaged with the board profiles",
    ),
    Dataset(
        name="transport-energy",
        path="power/transport_energy.csv",
        title="published energy of moving data, a source in every row",
        origin="collected from the sources named in its rows",
        licence="facts",
        size_bytes=1203,
        sha256="6862d663fd6dc200794377c3e79ae962ea8020f1a91c4f2ca36df4191135378c",
        instructions="collected by hand; the figures used are packaged with the board profiles",
    ),
)
