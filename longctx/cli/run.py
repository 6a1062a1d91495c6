"""``longctx run``: ask a model everything that a sweep asks, and record every answer."""

from __future__ import annotations

import json
import math
import shlex
import shutil
from pathlib import Path
from typing import Any

import click

from longctx.cli._long import Interrupts, say
from longctx.cli._options import Asked, engine_options, json_option, sample_options, sweep_argument, takes_sweep
from longctx.cost import Prices
from longctx.errors import RunError, UsageError
from longctx.progress import duration
from longctx.run import Interrupted, Preview, Summary, preview, run
from longctx.steps import steps
from longctx.units import counted, percent
from longctx.visible import clip, visible


@click.command(
    epilog="""\b
    Examples:
      longctx run demo
      longctx run --backend oracle --corpus contracts --length 4K,16K --out runs/oracle
      longctx run niah --corpus path/to/contracts --model path/to/model --dry-run
      longctx run --from samples.jsonl --max-tokens 128 --out runs/theirs
      longctx run niah --backend openai --base-url http://127.0.0.1:8000/v1 --model smollm2-135m
    """
)
@sweep_argument
@click.option("--from", "source", metavar="FILE", help="Ask the samples of this file, as they are.")
@sample_options
@engine_options
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run; runs/NAME by default.")
@click.option("--dry-run", is_flag=True, help="Print what would be asked and about how long it would take.")
@click.option(
    "--prices", type=click.Path(path_type=Path), metavar="FILE", help="With --dry-run: what 1M tokens cost, as TOML."
)
@click.option(
    "--verify-cache",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="In the end, answer N samples with an empty and with a warm prefix cache and compare.",
)
@json_option
@takes_sweep
def command(
    asked: Asked, out: Path | None, dry_run: bool, prices: Path | None, verify_cache: int, as_json: bool
) -> None:
    """Build samples, ask a model, record every answer.

    A sweep is a preset (demo, niah, ruler, mrcr, domains, yarn) or a TOML file; options override its fields, and do
    without it. The same command again goes on where a run was interrupted and asks nothing twice.
    """
    folders: dict[str, Any] = {"generators": asked.generators, "corpora": asked.corpora}
    if prices and not dry_run:
        raise UsageError("--prices goes with --dry-run.")
    if dry_run:
        folders["prices"] = Prices.read(prices) if prices else None
        found = preview(asked.sweep, **folders, note=say, steps=steps)
        click.echo(json.dumps(found.to_json()) if as_json else _preview_text(found))
        return
    path = out or Path("runs") / asked.name
    go_on = ["longctx", "run", str(path / "sweep.toml"), "--out", str(path)]
    for option, chosen in (("--generators", asked.generators), ("--corpora", asked.corpora)):
        go_on += [word for folder in chosen for word in (option, str(folder))]
    go_on += ["--verify-cache", str(verify_cache)] if verify_cache else []
    try:
        with Interrupts() as interrupts:
            summary = run(
                asked.sweep, path, **folders, watch=interrupts.watch, note=say, steps=steps, verify_cache=verify_cache
            )
    except Interrupted as stopped:
        done = f"{stopped.summary.answered:,} of {stopped.summary.samples:,} samples are answered and kept"
        say(f"interrupted; {done}. To go on: {shlex.join(go_on)}")
        raise click.exceptions.Exit(130) from None
    click.echo(json.dumps(_as_json(summary)) if as_json else _text(summary))
    if summary.failed:
        one = clip(visible(summary.first_error), 300)
        raise RunError(
            f"{summary.failed:,} of {summary.samples:,} calls failed (one of them: {one}). "
            f"To ask these again: {shlex.join(go_on)}"
        )


def _as_json(summary: Summary) -> dict[str, Any]:
    return {
        "run": str(summary.path),
        "records": str(summary.path / "records.jsonl"),
        "samples": summary.samples,
        "answered": summary.answered,
        "failed": summary.failed,
        "asked": summary.asked,
        "accuracy": summary.accuracy,
    }


def _text(summary: Summary) -> str:
    from longctx.cli.table import ruler_text
    from longctx.ruler_table import has_ruler
    from longctx.table import load
    from longctx.textmap import text_heatmap

    frame = load(summary.path)
    ruler = [ruler_text(frame)] if has_ruler(frame) else []
    state = f"{counted(summary.asked, 'sample')} asked" if summary.asked else "Nothing to do: every sample is answered"
    return "\n".join(
        [
            text_heatmap(frame, width=min(shutil.get_terminal_size().columns, 120)),
            "",
            *ruler,
            f"{state}.",
            f"Records: {summary.path / 'records.jsonl'}",
            f"Next:    {shlex.join(['longctx', 'report', str(summary.path)])}",
        ]
    )


def _preview_text(found: Preview) -> str:
    plan = found.plan.to_json(found.cache)
    timed = " and ".join(
        f"{one['length']:,} tokens in {one['prefill_s'] + one['decode_s']:.2f} s" for one in found.timed
    )
    saved = 1 - plan["computed_at_best"] / max(plan["prompt_tokens"], 1)
    lines = [
        f"Cells:          {plan['cells']:,}",
        f"Samples:        {plan['samples']:,} over {plan['haystacks']:,} haystacks"
        + (f", {plan['nested']:,} of them nested" if plan["nested"] else ""),
        f"Prompt tokens:  {plan['prompt_tokens']:,}",
        f"Computed:       {plan['computed_at_best']:,} at best ({percent(saved)}% shared)",
    ]
    if "computed_expected" in plan:
        over = plan["computed_expected"] / max(plan["computed_at_best"], 1)
        blocks = f"in blocks of {plan['cache_block']} tokens"
        lines.append(f"                {plan['computed_expected']:,} expected, {blocks} ({over:.2f} × the best)")
    lines += [
        f"Longest prompt: {plan['longest']:,} tokens",
        f"Time:           about {duration(found.seconds)} one sample after the other, estimated from {timed}",
    ]
    if found.money is not None:
        most = math.ceil(round(100 * found.money, 6)) / 100  # never less than it may cost
        cached = found.money if found.money_cached is None else found.money_cached
        less = f", {cached:,.2f} where the cache finds all that is shared" if cached < found.money else ""
        lines.append(f"Money:          at most {most:,.2f} {found.currency}{less}")
    return "\n".join(lines)
