"""``detabed tree adapter``: what a run of task ``lora`` learned, as a file for the server of its model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from carbon_data.types import DataError
from edge_node.language.adapter_file import write_adapter
from edge_node.language.model_file import model_file
from edge_node.tasks.lora.adapter import ALPHA
from experiments.commands.options import JsonOption, require_run_folder
from experiments.commands.output import out, print_json
from experiments.commands.waiting import waiting
from experiments.errors import UsageError
from experiments.run_folder.files import MODEL
from experiments.run_folder.tensors import read_tensors
from protos.messages.terms import Stage

LEARNING = (Stage.DEVELOPMENT, Stage.RECYCLING)


def tree_adapter(
    run: Annotated[Path, typer.Argument(help="Folder of a run whose task is lora.")],
    file: Annotated[Path, typer.Argument(help="Adapter to write (.gguf).")],
    stage: Annotated[Stage, typer.Option(help="Which of the run's models.")] = Stage.DEVELOPMENT,
    as_json: JsonOption = False,
) -> None:
    require_run_folder(run)
    prefix = f"{stage.value}/"
    try:
        tensors = read_tensors(run / MODEL)
        learned = {
            name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)
        }
        if not learned:
            raise DataError(
                f"{run} learned nothing in stage {stage.value}: choose --stage of {', '.join(LEARNING)}"
            )
        with waiting("writing the adapter"):
            model = model_file()
            write_adapter(learned, model.path, file, ALPHA)
            written = model_file(file)
    except FileNotFoundError as error:
        raise UsageError(f"{run} has no {MODEL}: the run learned nothing") from error
    except DataError as error:
        raise UsageError(str(error)) from error
    if as_json:
        print_json({"file": str(written.path), "sha256": written.sha256, "model_sha256": model.sha256})
    else:
        out.print(f"adapter: {written.path}", soft_wrap=True, highlight=False)
        out.print(f"try: detabed tree serve --adapter {file}", soft_wrap=True, highlight=False)
