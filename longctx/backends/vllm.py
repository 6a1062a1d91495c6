"""The vLLM backend: an engine that receives token ids and gives back text, counts and times."""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from longctx.backends.vllm_engine import (
    engine_arguments,
    prepare,
    quiet,
    rotary_embeddings,
    verify_rotary,
)
from longctx.errors import BackendError, ContractError
from longctx.types import Response, Sample, Sampling
from longctx.yarn import YarnPlan

_NAN = "NaN in the logits: the window is wider than the model's positions reach, or the weights are damaged"
_SECRETS = ("token", "key", "secret", "password")  # ends of names whose text never reaches a manifest


class VllmBackend:
    """Answers samples with a vLLM engine of its own.

    Times of a response are the engine's: ``ttft_s`` runs from the moment when the engine takes a request up to its
    first token, so it holds the prefill but not the time in the queue; ``total_s`` runs up to the last token. Requests
    that the engine works on together slow each other down: for the times of a request alone, pass ``max_num_seqs=1``.

    Attributes:
        name: what a user types after ``--backend``.
        double: False; what answers is a model.
    """

    name = "vllm"
    double = False

    def __init__(
        self,
        model: str,
        *,
        plan: YarnPlan,
        sampling: Sampling,
        config: Mapping[str, Any] = MappingProxyType({}),
        engine_args: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Start the engine and check what it loaded.

        Args:
            model: Hugging Face folder or id.
            plan: window and YaRN, from `longctx.yarn.plan_window`.
            sampling: how to decode.
            config: the model's ``config.json``, to size the KV cache of a CPU; may be empty.
            engine_args: arguments of ``vllm.LLM``; they win over what is set here.

        Raises:
            UsageError: an engine argument that is none, or one that contradicts the plan.
            BackendError: vLLM is not installed or does not start, or YaRN is not in effect as planned.
        """
        began = time.monotonic()
        platform = prepare()
        self._sampling = sampling
        arguments = engine_arguments(engine_args, plan, config, cpu=platform.is_cpu(), seed=sampling.seed)
        with _failures_of(f"start {model}"), quiet():
            from vllm import LLM

            self._llm: Any = LLM(model=model, **arguments)
        try:
            with _failures_of(f"look into the loaded {model}"):
                workers = self._llm.apply_model(rotary_embeddings)
            for found in workers:
                verify_rotary(found, plan)
            self._about: dict[str, Any] = {
                "model": Path(model).name if Path(model).is_dir() else model,  # not where somebody keeps it
                **self._resolved(platform),
                "rotary": workers[0],
                "yarn_in_effect": plan.factor is not None,  # checked above
            }
            self._about |= {"engine_args": _recorded(arguments), "start_s": round(time.monotonic() - began, 1)}
            if self._about["max_model_len"] < plan.window:
                raise BackendError(
                    f"The engine holds {self._about['max_model_len']:,} tokens where {plan.window:,} are needed."
                )
        except BaseException:
            self.close()
            raise

    def describe(self) -> dict[str, Any]:
        """Versions, device, engine arguments, what the engine made of them, and its rotary embedding as loaded."""
        return dict(self._about)

    def generate(self, samples: Iterable[Sample | None]) -> Iterator[Response]:
        """Answer each sample once; a response is yielded as soon as it is there.

        None in place of a sample: there is none yet, and the engine goes on with what it has.

        Requests are handed over until they fill the KV cache, so that the engine always has work and yet few prompts
        are in memory. A prefix that several of them share is computed once all the same: vLLM's scheduler finds the
        blocks of a prompt that is still being computed.

        Raises:
            ContractError: the engine holds other prompt tokens than the sample has.
            BackendError: a prompt and its output exceed the window, or the engine failed.
        """
        if self._llm is None:
            raise BackendError("The vLLM engine is closed.")
        engine = self._llm.llm_engine
        supply, numbers = iter(samples), itertools.count()
        waiting: dict[str, Sample] = {}
        exhausted = False
        try:
            while waiting or not exhausted:
                while not exhausted and self._has_room(waiting.values()):
                    try:
                        sample = next(supply)
                    except StopIteration:
                        exhausted = True
                        break
                    if sample is None:
                        break
                    if refusal := self._submit(engine, number := str(next(numbers)), sample):
                        yield Response(sample.id, error=refusal)
                    else:
                        waiting[number] = sample
                for output in self._step(engine) if waiting else ():
                    yield response_of(waiting.pop(output.request_id), output)
        finally:
            if waiting:  # interrupted: the reason matters more than what a half-done step makes of this
                with contextlib.suppress(Exception):
                    engine.abort_request(list(waiting))

    def forget(self) -> None:
        """Empty the prefix cache."""
        self._llm.reset_prefix_cache()

    def close(self) -> None:
        """Release the engine and its memory. May be called twice."""
        llm, self._llm = self._llm, None
        if llm is not None:
            with contextlib.suppress(Exception):
                llm.llm_engine.engine_core.shutdown()
            del llm
            gc.collect()

    def _has_room(self, waiting: Collection[Sample]) -> bool:
        if not waiting:
            return True
        held = sum(len(sample.prompt_ids) + self._sampling.max_tokens for sample in waiting)
        tokens: int = self._about["kv_cache_tokens"]
        requests: int = self._about["max_num_seqs"]
        return held < tokens and len(waiting) < requests

    def _submit(self, engine: Any, number: str, sample: Sample) -> str:
        """Hand a sample over; the reason if the engine refuses it."""
        from vllm import SamplingParams, TokensPrompt
        from vllm.exceptions import VLLMValidationError
        from vllm.sampling_params import RequestOutputKind

        length, output, window = len(sample.prompt_ids), self._sampling.max_tokens, self._about["max_model_len"]
        if length + output > window:
            raise BackendError(
                f"Sample {sample.id} has {length:,} prompt tokens, and {output:,} output tokens may follow: more than "
                f"the engine's window of {window:,}. vLLM would cut the answer short without a word."
            )
        decoding = SamplingParams(
            temperature=self._sampling.temperature,
            max_tokens=output,
            seed=self._sampling.seed,
            stop=list(self._sampling.stop),
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        try:
            engine.add_request(number, TokensPrompt(prompt_token_ids=sample.prompt_ids.tolist()), decoding)
        except (VLLMValidationError, ValueError) as error:  # this prompt is wrong, the engine is fine
            return f"refused by vLLM: {error}"
        except Exception as error:
            raise BackendError(f"vLLM failed to take sample {sample.id}: {_said(error)}") from error
        return ""

    def _step(self, engine: Any) -> list[Any]:
        with _failures_of("go on; the run can be continued"), quiet():
            return [output for output in engine.step() if output.finished]

    def _resolved(self, platform: Any) -> dict[str, Any]:
        """What the engine made of its arguments."""
        import torch
        import vllm

        engine = self._llm.llm_engine.vllm_config
        cache, model, scheduler = engine.cache_config, engine.model_config, engine.scheduler_config
        return {
            "vllm": vllm.__version__,
            "torch": torch.__version__,
            "device": platform.get_device_name(),
            "threads": torch.get_num_threads() if platform.is_cpu() else None,
            "dtype": str(model.dtype).removeprefix("torch."),
            "max_model_len": model.max_model_len,
            "block_size": cache.block_size,
            "kv_cache_tokens": cache.num_gpu_blocks * cache.block_size,
            "prefix_caching": cache.enable_prefix_caching,
            "max_num_seqs": scheduler.max_num_seqs,
            "max_num_batched_tokens": scheduler.max_num_batched_tokens,
            "seed": model.seed,
        }


def response_of(sample: Sample, output: Any) -> Response:
    """One finished ``vllm.RequestOutput`` as a response.

    Raises:
        ContractError: its prompt is not the sample's.
    """
    ids = output.prompt_token_ids or []
    if not np.array_equal(ids, sample.prompt_ids):
        built = len(sample.prompt_ids)
        counts = f"{len(ids):,}" if len(ids) != built else f"as many, but others ({built:,})"
        raise ContractError(
            f"Sample {sample.id} was built with {built:,} prompt tokens; vLLM holds {counts}. "
            "It answered something else than was built: a defect, the run stops."
        )
    answer, times = output.outputs[0], output.metrics
    return Response(
        id=sample.id,
        text=answer.text,
        prompt_tokens=len(ids),
        cached_tokens=output.num_cached_tokens,
        output_tokens=len(answer.token_ids),
        finish_reason=answer.finish_reason or "",
        ttft_s=times.first_token_ts - times.scheduled_ts if times else None,
        total_s=times.last_token_ts - times.scheduled_ts if times else None,
        error=_NAN if getattr(times, "is_corrupted", False) else "",
    )


@contextlib.contextmanager
def _failures_of(doing: str) -> Iterator[None]:
    """Whatever vLLM raises as a BackendError; its own errors are of many types."""
    try:
        yield
    except BackendError:
        raise
    except Exception as error:
        raise BackendError(f"vLLM failed to {doing}: {_said(error)}") from error


def _said(error: Exception, at_most: int = 600) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= at_most else words[:at_most] + " …"


def _recorded(arguments: Any) -> Any:
    """Engine arguments as JSON values, secrets blotted out."""
    if isinstance(arguments, Mapping):
        return {
            str(name): "(secret)" if isinstance(value, str) and str(name).endswith(_SECRETS) else _recorded(value)
            for name, value in arguments.items()
        }
    return json.loads(json.dumps(arguments, default=str))
