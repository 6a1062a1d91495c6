"""A prompt of 1,048,576 tokens through a real vLLM engine: a small machine can do it with a tiny model.

The model's weights are random: its answer means nothing, and what is tested is the plumbing. A real sample is built,
the project's own backend hands it to vLLM, and the engine counts it, computes every layer for it and answers. The model
is a Llama of one layer whose attention reaches 1,024 tokens back.

    python benchmarks/million.py [--length 1M]
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from longctx.backends.vllm import VllmBackend
from longctx.corpus import Corpora
from longctx.embedded import ensure
from longctx.tasks import find_task
from longctx.tokens import load_tokenizer
from longctx.types import Cell, Sample, Sampling
from longctx.units import parse_count
from longctx.yarn import plan_window

HIDDEN = 64
OUTPUT = 16  # tokens
ENGINE = {"load_format": "dummy", "enable_prefix_caching": False, "kv_cache_memory_bytes": 1 << 30}
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")


def config_of(vocabulary: int, window: int) -> dict[str, Any]:
    """``config.json`` of a model that is just large enough to be one."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "tie_word_embeddings": True,
        "dtype": "float32",
        "num_hidden_layers": 1,
        "intermediate_size": 2 * HIDDEN,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "sliding_window": 1024,
        "layer_types": ["sliding_attention"],
        "max_position_embeddings": window,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e7},
    }


def make_model(window: int, folder: Path) -> None:
    """A model folder with the embedded model's tokenizer and no weights; vLLM draws them."""
    source = ensure()
    vocabulary = json.loads((source / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    for name in TOKENIZER:
        if (source / name).exists():
            shutil.copy(source / name, folder)
    (folder / "config.json").write_text(json.dumps(config_of(vocabulary, window)), encoding="utf-8")


def build(length: int) -> Sample:
    """One needle in contracts."""
    tokenizer = load_tokenizer("smollm2-135m")
    corpus = Corpora(tokenizer).get("contracts", length)
    return find_task("niah_single").build(corpus, Cell("niah_single", "contracts", length, 0.5, 10.0), tokenizer)


def main() -> None:
    """Build, ask, print."""
    options = argparse.ArgumentParser(description="A prompt of a million tokens through a real vLLM engine.")
    options.add_argument("--length", type=parse_count, default=1 << 20, help="tokens, such as 1M")
    given = options.parse_args()

    sample = build(given.length)
    with tempfile.TemporaryDirectory() as name:
        make_model(given.length + OUTPUT, Path(name))
        config = json.loads((Path(name) / "config.json").read_text(encoding="utf-8"))
        plan = plan_window(config, given.length, OUTPUT, "off")
        backend = VllmBackend(name, plan=plan, sampling=Sampling(OUTPUT), config=config, engine_args=ENGINE)
        try:
            about = backend.describe()
            began, cpu = time.monotonic(), time.process_time()
            [response] = backend.generate([sample])
            seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        finally:
            backend.close()
    print("PLUMBING ONLY: the weights are random, and what the model says means nothing.")
    print(
        f"model          Llama, 1 layer, hidden {HIDDEN}, sliding window {config['sliding_window']:,}, {about['dtype']}"
    )
    print(f"engine         vLLM {about['vllm']} on {about['device']}, {about['threads']} threads, started in", end=" ")
    print(f"{about['start_s']} s; window {about['max_model_len']:,} tokens")
    print(f"prompt tokens  {response.prompt_tokens or 0:,} counted by the engine, {len(sample.prompt_ids):,} built")
    print(
        f"answer         {response.output_tokens} tokens ({response.finish_reason}); error: {response.error or 'none'}"
    )
    print(f"seconds        {seconds:.1f}, of it {response.ttft_s or 0:.1f} to the first token; {cpu:.1f} CPU seconds")
    print(f"peak memory    {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB, the sample included")


if __name__ == "__main__":
    main()
