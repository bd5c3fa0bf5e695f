"""What the paper has and this run has not: each with its reason and the command that makes it."""

from collections.abc import Collection
from dataclasses import dataclass

from pipeline.metric_names import JUDGED, QUALITY
from pipeline.report import paper
from pipeline.report.collect import Findings, by_method
from pipeline.report.layout import has_table_7, why_missing
from pipeline.report.words import listed

QUEUE = "dvc exp run --queue"
START = "dvc queue start && dvc exp show"


@dataclass(frozen=True)
class Gap:
    """Something that is not in this report."""

    what: str
    why: str
    command: str = ""


def gaps(findings: Findings, loss_weights: tuple[float, float]) -> list[Gap]:
    """Everything that is missing: what evaluate could not compute, then the paper's tables of other experiments.

    Args:
        findings: what was computed.
        loss_weights: ``loss.llm_weight`` and ``loss.alignment_weight`` in force, for the ablation's command.
    """
    llm, alignment = loss_weights
    found = [Gap(name, f"not computed: {reason}") for name, reason in sorted(findings.not_computed.items())]
    known = findings.metrics.keys() | findings.not_computed.keys() | {JUDGED}
    absent = [name for name in QUALITY if name not in known]
    found += [Gap(f"Table 3: {QUALITY[name].label}", why_missing(findings, name)) for name in absent]
    found += _methods(by_method(findings))
    found.append(_experiments("Table 4: layers of the LLM", "-S llm.layer=1,10,20,30,40"))
    ablation = f"-S loss.llm_weight=0.0,{llm} -S loss.alignment_weight=0.0,{alignment}"
    found.append(_experiments("Table 5: LLM loss and complex-prompt loss, each on and off", ablation))
    if not has_table_7(findings):
        command = "cp profiles/paper.yaml params.yaml && sur study studies/paper-nine-prompts.yaml"
        found.append(Gap("Tables 1 and 7: the paper's nine prompts", "they are not among sample.prompts", command))
    return found


def _methods(sampled: Collection[str]) -> list[Gap]:
    """Which of the paper's methods made no picture, with the command that adds them to those that did."""
    lacking = [method for method in paper.METHODS if method not in sampled]
    if not lacking:
        return []
    chosen = ", ".join(dict.fromkeys([*paper.METHODS, *sampled]))
    command = f"dvc exp run -S 'sample.methods=[{chosen}]'"
    what = f"Tables 2 and 3: {'method' if len(lacking) == 1 else 'methods'} {listed(lacking)}"
    return [Gap(what, "not among sample.methods", command)]


def _experiments(what: str, settings: str) -> Gap:
    return Gap(what, "needs several experiments", f"{QUEUE} {settings} && {START}")
