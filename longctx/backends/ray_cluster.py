"""A Ray cluster: how it is joined, and how many engines it has room for."""

from __future__ import annotations

import logging
import os

import ray

from longctx.backends.ray_options import Options
from longctx.errors import BackendError, UsageError


def connect(options: Options) -> None:
    """Join the cluster, or start one on this machine.

    Raises:
        BackendError: there is none.
    """
    local = {"include_dashboard": False} if options.address == "local" else {}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(
            address=options.address,
            runtime_env=options.environment() or None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **local,
        )
    except Exception as error:
        raise BackendError(
            f"There is no Ray cluster at address {options.address!r}: {error} `ray start --head` starts one, "
            "--engine-arg address=HOST:PORT names one, and address=local starts one for this run."
        ) from error
    # What Ray says of a lost process goes to stdout in spite of log_to_driver=False, where a command may print JSON.
    # There is no public switch; Ray's own debugger uses this one.
    ray._private.worker._worker_logs_enabled = False


def room(options: Options, gpus: int) -> tuple[int, dict[str, float]]:
    """How many engines to start, and what each takes of its node.

    Raises:
        UsageError: the cluster, as it is now, hasn't room for them.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    has_gpus = any(node.get("GPU") for node in nodes)
    num_gpus = options.num_gpus if options.num_gpus is not None else (gpus if has_gpus else 0)
    needs = {"num_cpus": options.num_cpus, "num_gpus": num_gpus}
    wanted = {kind: amount for kind, amount in (("CPU", options.num_cpus), ("GPU", num_gpus)) if amount}
    shares = [[node.get(kind, 0) / amount for kind, amount in wanted.items()] for node in nodes]
    fitting = sum(int(min(share, default=1)) for share in shares)
    count = options.replicas or (fitting if num_gpus else min(fitting, 1))
    if not fitting or count > fitting:
        has = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes[:8])
        raise UsageError(
            f"The Ray cluster has room for {fitting} engines of {options.num_cpus:g} CPUs and {num_gpus:g} GPUs each, "
            f"and {max(1, count)} are asked for; its nodes have {has}. Engine arguments replicas, num_cpus and "
            "num_gpus say what to take."
        )
    return count, needs
