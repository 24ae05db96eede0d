"""A reader of the documentation: has a small scenario and finished runs, and does what a page says, in its order.

``my.toml`` and the runs below ``runs/`` are what pages take for granted. The packaged scenario ``demo`` is replaced by
``my.toml`` where ``smaller``, with one seed and without reports: the same commands in seconds.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from experiments.cli import invoke
from tests.docs.blocks import ROOT, Block, blocks_of

SCENARIO = """name = "demo"
policy = "local"
[task]
name = "none"
[stages]
development = 8
[time]
start = 2022-06-21T10:00:00Z
[demand]
kind = "constant"
peak_w = 1.5
[fleet]
kind = "virtual"
[[nodes]]
zone = "DE"
harvest = { kind = "pv", peak_w = 10 }
battery = { capacity_wh = 10 }
[[nodes]]
zone = "PL"
"""
"""Two nodes, eight hours, energy alone; named like the packaged scenario, so that run folders are called alike."""
DEMO = re.compile(r"""(?<=[\s("'])demo(?=[\s"',)]|$)""")
EXIT = re.compile(r"# exits with (\d+)")
"""In a command's comment: it ends with that code, not with 0."""
SHIMS = {"detabed": "-m experiments.cli", "python": ""}


FILES = {"mylab/deta2.py": "docs/own-policy.md", "my-readings.toml": "docs/serving-and-tree.md"}
"""Files that one page shows and another one's commands use."""


def give_runs(folder: Path) -> None:
    """Files and finished runs, as pages name them."""
    for name, page in FILES.items():
        (code,) = [block.code for block in blocks_of(page) if block.file == name]
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(code, encoding="utf-8")
    (folder / "my.toml").write_text(SCENARIO, encoding="utf-8")
    for words in (
        ["run", "my.toml", "--policy", "deta", "--output", "runs/demo-deta-s0-001", "--no-report"],
        ["run", "my.toml", "--policy", "deta", "--output", "runs/my-001", "--no-report"],
        ["compare", "my.toml", "--policies", "local,deta", "--seeds", "2", "--output", "runs/demo-compare-001",
         "--no-report"],
    ):  # fmt: skip
        assert invoke(words) == 0, words


class Reader:
    """Does blocks of one page in the present folder.

    Args:
        folder: The present folder, with what ``give_runs`` wrote.
        smaller: The small scenario in place of ``demo``.
    """

    def __init__(self, folder: Path, smaller: bool) -> None:
        self._folder, self._smaller = folder, smaller
        self._names: dict[str, Any] = {"__name__": "__page__"}
        shims = folder / ".shims"
        shims.mkdir()
        for name, module in SHIMS.items():
            (shims / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module} "$@"\n')
            (shims / name).chmod(0o755)
        paths = os.pathsep.join(filter(None, [str(ROOT), str(folder), os.environ.get("PYTHONPATH")]))
        self._environ = {
            **os.environ,
            "PATH": f"{shims}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": paths,
        }

    def write(self, block: Block) -> None:
        """The file of the block."""
        assert block.file is not None
        path = self._folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._in_place(block.code), encoding="utf-8")

    def run_code(self, block: Block) -> None:
        """Code of a page, after the code before it."""
        exec(compile(self._in_place(block.code), str(block), "exec"), self._names)

    def run_file(self, block: Block) -> None:
        """``python FILE``: a script runs, a module is imported and does nothing."""
        assert block.file is not None
        self._shell(f"python {shlex.quote(block.file)}", str(block))

    def run_command(self, command: str, where: str) -> None:
        """One command; it must end with 0, or with what its comment says."""
        said = EXIT.search(command)
        code = int(said[1]) if said else 0
        text = self._in_place(command).replace("\\\n", " ")
        words = shlex.split(text, comments=True)
        if words[:2] == ["detabed", "init"]:
            self._init(words[2], where)
            return
        if self._smaller and words[:2] in (["detabed", "run"], ["detabed", "compare"]):
            text = re.sub(r"--seeds \d+", "--seeds 1", text)
            text = re.sub(r"(detabed (?:run|compare))(?!.*--no-report)", r"\1 --no-report", text)
            words = shlex.split(text, comments=True)
        if words[0] == "detabed" and not re.search(r"[|;&<>$`]", text.partition(" #")[0]):
            assert invoke(words[1:]) == code, f"{where}: {text}"
        else:
            self._shell(text, where, code)

    def _init(self, name: str, where: str) -> None:
        """``detabed init``; the starter scenario then makes way for the small one."""
        (self._folder / name).unlink(missing_ok=True)
        assert invoke(["init", name]) == 0, where
        if self._smaller:
            (self._folder / name).write_text(SCENARIO, encoding="utf-8")

    def _shell(self, text: str, where: str, code: int = 0) -> None:
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", text],
            cwd=self._folder, env=self._environ, capture_output=True, text=True, timeout=1800, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{where}: {text}\n{done.stdout}\n{done.stderr}"

    def _in_place(self, text: str) -> str:
        """Text with what a reader puts in place: the small scenario, the fingerprint that the export printed."""
        if self._smaller:
            text = DEMO.sub("my.toml", text)
        if "FINGERPRINT" in text.split():
            (signed,) = self._folder.glob("*.signed.jsonl")
            header = json.loads(signed.read_text(encoding="utf-8").splitlines()[0])
            authority = x509.load_pem_x509_certificate(header["authority"].encode())
            text = text.replace("FINGERPRINT", authority.fingerprint(SHA256()).hex())
        return text
