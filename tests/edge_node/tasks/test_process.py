"""Settings of a process that trains, made once before its first operation."""

from __future__ import annotations

import subprocess
import sys


def test_training_does_not_import_torchs_compiler():
    code = (
        "import sys\n"
        "from edge_node.config import TaskConfig\n"
        "from edge_node.tasks.build import build_workload\n"
        "from edge_node.tasks.evaluation import initial_parameters\n"
        "w = build_workload(TaskConfig(name='tiny-gpt', data='pydoc', batch_size=2, batches_per_slot=1,"
        " learning_rate=0.1, partitions=1, partition_index=0))\n"
        "w.train(initial_parameters('tiny-gpt', 0), [w.batch(0, 'development')], {'proximal-mu': 0.1})\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)
