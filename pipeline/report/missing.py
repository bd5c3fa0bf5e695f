"""What the paper has and this run has not: each with its reason and the command that makes it."""

from collections.abc import Collection
from dataclasses import dataclass

from pipeline.metric_names import JUDGED, QUALITY
from pipeline.report import paper
from pipeline.report.collect import Findings, by_method
from pipeline.report.numbers import listed
from pipeline.report.prompt_table import has_table_7
from pipeline.report.quality_table import why_missing
from pipeline.report.study_pages import OF_PAPER, Studies

STUDY = "sur study"


@dataclass(frozen=True)
class Gap:
    """Something that is not in this report."""

    what: str
    why: str
    command: str = ""


def gaps(findings: Findings, studies: Studies, diffusion_model: str) -> list[Gap]:
    """Everything that is missing: what evaluate could not compute, then the paper's tables of several trainings.

    Args:
        findings: what was computed.
        studies: those that are there.
        diffusion_model: decides which files of ``studies/`` go with the run, the paper's or the miniature's.
    """
    found = [Gap(name, f"not computed: {reason}") for name, reason in sorted(findings.not_computed.items())]
    known = findings.metrics.keys() | findings.not_computed.keys() | {JUDGED}
    absent = [name for name in QUALITY if name not in known]
    found += [Gap(f"Table 3: {QUALITY[name].label}", why_missing(findings, name)) for name in absent]
    of_paper = OF_PAPER if diffusion_model in paper.MODELS else ""
    if not {"methods", "paper-methods"} & studies.names:
        found += _methods(by_method(findings), f"{STUDY} studies/{of_paper}methods.yaml")
    found += _studies(studies, of_paper)
    if not has_table_7(findings) and "paper-nine-prompts" not in studies.names:
        why = "they are not among sample.prompts" + ("" if of_paper else "; with profiles/paper.yaml in force")
        found.append(Gap("Tables 1 and 7: the paper's nine prompts", why, f"{STUDY} studies/paper-nine-prompts.yaml"))
    return found


def _studies(studies: Studies, of_paper: str) -> list[Gap]:
    """The paper's experiments that no study here has, then the studies that are of other models."""
    sizes = f"{of_paper}llm-sizes"
    asked = {
        "layers": ("Table 4: layers of the LLM", "layers"),
        sizes: ("Table 4: sizes of the LLM", f"studies/{sizes}.yaml"),
        "ablation": ("Table 5: LLM loss and complex-prompt loss, each on and off", "ablation"),
        "initialisation": ("Figure 6: how g starts", "studies/initialisation.yaml"),
    }
    found = []
    for name, (what, given) in asked.items():
        if name not in studies.names:
            why = studies.passed_over.get(name)
            reason = f"needs several trainings; the study that is there was {why}" if why else "needs several trainings"
            found.append(Gap(what, reason, f"{STUDY} {given}"))
    return found


def _methods(sampled: Collection[str], command: str) -> list[Gap]:
    """Which of the paper's methods made no picture, with the command that makes them."""
    lacking = [method for method in paper.METHODS if method not in sampled]
    if not lacking:
        return []
    what = f"Tables 2 and 3: {'method' if len(lacking) == 1 else 'methods'} {listed(lacking)}"
    return [Gap(what, "not among sample.methods", command)]
