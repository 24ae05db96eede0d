"""The large data files that the project can use: what they are, whose they are, and how to get them."""

from __future__ import annotations

from dataclasses import dataclass

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
EM_LICENCE = "ODbL-1.0 (Electricity Maps)"
CARBONX = "https://github.com/nesl/CarbonX"
MLPERF_TINY = (
    "https://raw.githubusercontent.com/mlcommons/tiny_results_v1.2/cadb362343f559d459e7cdb8748685ba76b9eb23/"
)
AZURE = "https://raw.githubusercontent.com/Azure/AzurePublicDataset/b469a113cedca53ddc3bdea71a143dc4b7d8700c/"


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


def _energy_trace(
    vendor: str, board: str, benchmark: str, file: str, size_bytes: int, sha256: str
) -> Dataset:
    """A file of a board's energy run in MLPerf Tiny v1.2: samples, edges of its windows, or official joules."""
    what = {
        "results.txt": "official energy of each window",
        "trace1-energy.bin": "energy trace, 1 kHz",
        "trace1-timestamps.json": "edges of the windows",
    }[file]
    run = f"{board}-{benchmark}"
    return Dataset(
        name=f"mlperf-tiny-{run}-{file.partition('.')[0].removeprefix('trace1-')}".lower().replace("_", "-"),
        path=f"power/mlperf_tiny_v1.2/{vendor}-{run}/{file}",
        title=f"{what}: {board}, benchmark {benchmark}",
        origin="MLPerf Tiny v1.2, mlcommons/tiny_results_v1.2",
        licence="Apache-2.0",
        size_bytes=size_bytes,
        sha256=sha256,
        urls=(f"{MLPERF_TINY}closed/{vendor}/results/{board}/{benchmark}/energy/{file}",),
    )


def _requests(kind: str, title: str, size_bytes: int, sha256: str) -> Dataset:
    return Dataset(
        name=f"azure-llm-2023-{kind}",
        path=f"inference/azure_llm_2023_{kind}.csv",
        title=f"arrival time, context and generated tokens of real requests: {title}",
        origin="Azure LLM inference trace 2023, Azure/AzurePublicDataset",
        licence="CC-BY-4.0",
        size_bytes=size_bytes,
        sha256=sha256,
        urls=(f"{AZURE}data/AzureLLMInferenceTrace_{kind}.csv",),
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
    Dataset(
        name="em-2021-2024",
        path="carbon/ci_2021_2024_hourly_em_10zones.parquet",
        title="hourly direct and life-cycle intensity of the ten reference zones, 2021 to 2024",
        origin="Electricity Maps, through nesl/CarbonX",
        licence=f"{EM_LICENCE}; repository BSD-3-Clause",
        size_bytes=2467976,
        sha256="7e8e95001e919c5ca8fa1770cd1b5bbaef398d7ba73d1580e085c1f9cbe38311",
        instructions=f"derived: {CARBONX} (data/forecasting-data/ZONE.csv) of the ten zones in long form: zone, "
        "time (UTC), direct_g_per_kwh, lifecycle_g_per_kwh, estimated",
    ),
    Dataset(
        name="sundial-2022",
        path="carbon/forecasts_2022_sundial_10zones.parquet",
        title="forecasts of direct intensity, issued daily, 96 leads of one hour, ten zones, 2022",
        origin="model Sundial, nesl/CarbonX",
        licence="BSD-3-Clause (repository); made from Electricity Maps data, ODbL-1.0",
        size_bytes=796675,
        sha256="f7e360f359d53175b4db744a2e341ed308a9dec5a1be3e886c3502b2ce60ddd7",
        instructions=f"derived: {CARBONX} (ci-forecasts/Sundial/ZONE.csv), which holds 96 rows for each day of "
        "issue, one issue after the other; those of 2022 in long form: zone, issued (UTC), lead_h, direct_g_per_kwh",
    ),
    Dataset(
        name="generation-mix-2020-2021",
        path="carbon/generation_mix_2020_2021_hourly_7zones.parquet",
        title="hourly generation by fuel (MW) and intensity of seven US zones, 2020 and 2021",
        origin="EIA-930, through nesl/CarbonX",
        licence="public domain (US government); repository BSD-3-Clause",
        size_bytes=2033249,
        sha256="a0c2f84a0fe3f3a4d0ee7d11c7c3f2e02e5b00f898ee7f8a37d0c47575942509",
        instructions=f"derived: {CARBONX} (data/benchmark-data/ZONE.csv) of its seven US zones in long form: zone, "
        "time (UTC), intensity_g_per_kwh and one column of MW for each fuel; no value where a zone does not report "
        "a fuel",
    ),
    Dataset(
        name="em-portal-2022-isne",
        path="carbon/em_portal_2022_hourly_US-NE-ISNE.csv",
        title="one zone and year as the Electricity Maps data portal exports it",
        origin="Electricity Maps, through nesl/CarbonX",
        licence=f"{EM_LICENCE}; repository BSD-3-Clause",
        size_bytes=829717,
        sha256="2ae5e63d9ecc0d2462f977171387f3631c2f29f07489f893cc79286a9c09455c",
        instructions=f"derived: header and rows of 2022 of {CARBONX} (data/forecasting-data/US-NE-ISNE.csv); the "
        "portal of Electricity Maps exports the same columns for any zone",
    ),
    Dataset(
        name="citylearn-2022-buildings",
        path="buildings/citylearn_2022_17buildings.parquet",
        title="hourly load and solar output of 17 real houses, one year",
        origin="CityLearn challenge 2022, intelligent-environments-lab/CityLearn",
        licence="MIT (repository)",
        size_bytes=1706195,
        sha256="7d4c835f4893a86fd7a6e0370fbe6a9a87fd455bf54afe5622211059e85ea1f0",
        instructions="derived: https://github.com/intelligent-environments-lab/CityLearn "
        "(data/datasets/citylearn_challenge_2022_phase_all/Building_*.csv) in long form: building, hour, load_kwh, "
        "pv_kwh",
    ),
    Dataset(
        name="citylearn-2022-assets",
        path="buildings/citylearn_2022_assets.csv",
        title="panels and batteries of the 17 houses",
        origin="CityLearn challenge 2022, intelligent-environments-lab/CityLearn",
        licence="MIT (repository)",
        size_bytes=437,
        sha256="ca2caf240f103f48b667cf7944cbabea18d12c64bd625f034970ee5340046ee9",
        instructions="derived: https://github.com/intelligent-environments-lab/CityLearn "
        "(data/datasets/citylearn_challenge_2022_phase_all/schema.json): building, pv_kw, battery_kwh, battery_kw",
    ),
    Dataset(
        name="citylearn-2022-intensity",
        path="buildings/citylearn_2022_intensity.csv",
        title="intensity of the houses' grid, kg CO2e per kWh, hourly, one year",
        origin="CityLearn challenge 2022, intelligent-environments-lab/CityLearn",
        licence="MIT (repository)",
        size_bytes=138131,
        sha256="94dc3437acd0263b1b1f914da26266fddaf2f63d35cdf3e2373dff487e5ef5b9",
        instructions="derived: https://github.com/intelligent-environments-lab/CityLearn "
        "(data/datasets/citylearn_challenge_2022_phase_all/carbon_intensity.csv) with the number of the hour: hour, "
        "kg_per_kwh",
    ),
    _energy_trace(
        "STMicroelectronics",
        "NUCLEO_H7A3ZI_Q",
        "ad",
        "results.txt",
        2968,
        "cc6a170cfdd6d7bb7b99585f2c1cc6116e35075055818543881b909575cb90e0",
    ),
    _energy_trace(
        "STMicroelectronics",
        "NUCLEO_H7A3ZI_Q",
        "ad",
        "trace1-energy.bin",
        417797,
        "76aefe4543e91c7e8257540f3a2b6c82665aae4b27422f82a245b0ea1264da81",
    ),
    _energy_trace(
        "STMicroelectronics",
        "NUCLEO_H7A3ZI_Q",
        "ad",
        "trace1-timestamps.json",
        99,
        "9578feba8cb456855a74980af327daad4de1daac4e63a4beb193ebf9a7ddd7c5",
    ),
    _energy_trace(
        "STMicroelectronics",
        "NUCLEO_L4R5ZI",
        "ic",
        "results.txt",
        2969,
        "f2596d2b98aefdc0428cd35933b544e68e42d2fe1314a6bc4bd8a6234add90ca",
    ),
    _energy_trace(
        "STMicroelectronics",
        "NUCLEO_L4R5ZI",
        "ic",
        "trace1-energy.bin",
        540677,
        "39eb68d4a5ddf422baec5084ab685db34e560ebacc340288243051b4c8a5404f",
    ),
    _energy_trace(
        "STMicroelectronics",
        "NUCLEO_L4R5ZI",
        "ic",
        "trace1-timestamps.json",
        103,
        "5c20944b7ac2025ddc3c94e4f16f89292becd0150a30aa6292f89060a6730541",
    ),
    _energy_trace(
        "STMicroelectronics",
        "NUCLEO_L4R5ZI",
        "kws",
        "results.txt",
        2968,
        "727d6e27b7d9e0c4f08604c39fef046030d177bb339a5247c6a1890b1ae6c108",
    ),
    _energy_trace(
        "STMicroelectronics",
        "NUCLEO_L4R5ZI",
        "kws",
        "trace1-energy.bin",
        307205,
        "64ad4feeb8a662c873087c1ac2aebef8b593f79ae3764b6389a30b395764ca56",
    ),
    _energy_trace(
        "STMicroelectronics",
        "NUCLEO_L4R5ZI",
        "kws",
        "trace1-timestamps.json",
        98,
        "12f903d9af5b952181d2923dcc4cf993a59bf12f77c7f015e9a0ee9166dc144c",
    ),
    _energy_trace(
        "STMicroelectronics",
        "NUCLEO_U575ZI_Q",
        "vww",
        "results.txt",
        2973,
        "5114d58e7bcfdba2a13dbd8e97e47341ed00fdfa53c7cfeaa9226b5bc8e0c9e7",
    ),
    _energy_trace(
        "STMicroelectronics",
        "NUCLEO_U575ZI_Q",
        "vww",
        "trace1-energy.bin",
        1974277,
        "70bfacdd86525a2ea5b40120eb4b29cefffbc60db46d0785975572d39c9b176a",
    ),
    _energy_trace(
        "STMicroelectronics",
        "NUCLEO_U575ZI_Q",
        "vww",
        "trace1-timestamps.json",
        108,
        "f20bf233ef8313b5a124e572379a6c1f55c4bb68819c63b989038b6ed54e5eba",
    ),
    _energy_trace(
        "syntiant",
        "syntiant_9120_0v9_30mhz",
        "kws",
        "results.txt",
        2967,
        "97b7e01019ec6bd43457d7b188dc048e7d1a26f14fa7065ffd633d061129c859",
    ),
    _energy_trace(
        "syntiant",
        "syntiant_9120_0v9_30mhz",
        "kws",
        "trace1-energy.bin",
        331781,
        "69a7e6ce741112176aefc8ac63acabf83fc04bcdc9abd88320ae778bde0b5fc3",
    ),
    _energy_trace(
        "syntiant",
        "syntiant_9120_0v9_30mhz",
        "kws",
        "trace1-timestamps.json",
        96,
        "2ef5d2f2595c3aacc0b66d91028ddd1c190147c0a4d66e954d8e7cf25dcce7a2",
    ),
    _energy_trace(
        "syntiant",
        "syntiant_9120_1v1_98mhz",
        "ic",
        "results.txt",
        2969,
        "2e0b8cc35995c73afc8424d185c35c0f623b5a641ebba61abd0eb5b196dca737",
    ),
    _energy_trace(
        "syntiant",
        "syntiant_9120_1v1_98mhz",
        "ic",
        "trace1-energy.bin",
        430085,
        "72ad78075ebbccf18bcec98dba5963d9dc48a6e76401d6cc6a9560caa442360d",
    ),
    _energy_trace(
        "syntiant",
        "syntiant_9120_1v1_98mhz",
        "ic",
        "trace1-timestamps.json",
        100,
        "372ff17c12cd4087d05aa6a8c7b45404b996000fdcd7aa93df9706e7b2506c24",
    ),
    _requests(
        "code",
        "code completion",
        320117,
        "54e9a6d2a4bd06ba1e060304b900abbc74cbea53de96506e60fe5bb4f2277fb6",
    ),
    _requests(
        "conv",
        "conversation",
        719188,
        "2f1e5b666d4e3055fdbba98598ce2ec307767b9064e03e2fa46676dbcc7d0bf8",
    ),
)
