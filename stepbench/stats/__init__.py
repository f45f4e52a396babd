"""Statistics for benchmark results: plain functions over arrays and data frames, random generators as arguments."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stepbench.stats.agreement import agreement_interval, gwet_ac2, krippendorff_alpha
    from stepbench.stats.checks import StatisticsError
    from stepbench.stats.intervals import Estimate, bootstrap_interval, intraclass_correlation, mean_interval
    from stepbench.stats.multiplicity import benjamini_hochberg, holm
    from stepbench.stats.noninferiority import gate_prompts, prompts_to_settle, regression_p
    from stepbench.stats.paired import PairedDifference, paired_difference, sign_test
    from stepbench.stats.power import detectable_effect, detectable_win_rate, required_n, required_votes
    from stepbench.stats.ratings import bradley_terry
    from stepbench.stats.robustness import FirstPlace, first_place, leave_one_out
    from stepbench.stats.sequential import e_process, win_rate_monitor
    from stepbench.stats.set_metrics import SetDifference, set_metric_difference
    from stepbench.stats.shrinkage import shrink_means
    from stepbench.stats.vote_prediction import MetricAgreement, human_agreement, metric_agreement

_EXPORTS = {
    "Estimate": "intervals",
    "FirstPlace": "robustness",
    "MetricAgreement": "vote_prediction",
    "PairedDifference": "paired",
    "SetDifference": "set_metrics",
    "StatisticsError": "checks",
    "agreement_interval": "agreement",
    "benjamini_hochberg": "multiplicity",
    "bootstrap_interval": "intervals",
    "bradley_terry": "ratings",
    "detectable_effect": "power",
    "detectable_win_rate": "power",
    "e_process": "sequential",
    "first_place": "robustness",
    "gate_prompts": "noninferiority",
    "gwet_ac2": "agreement",
    "holm": "multiplicity",
    "human_agreement": "vote_prediction",
    "intraclass_correlation": "intervals",
    "krippendorff_alpha": "agreement",
    "leave_one_out": "robustness",
    "mean_interval": "intervals",
    "metric_agreement": "vote_prediction",
    "paired_difference": "paired",
    "prompts_to_settle": "noninferiority",
    "regression_p": "noninferiority",
    "required_n": "power",
    "required_votes": "power",
    "set_metric_difference": "set_metrics",
    "shrink_means": "shrinkage",
    "sign_test": "paired",
    "win_rate_monitor": "sequential",
}
__all__ = [
    "Estimate",
    "FirstPlace",
    "MetricAgreement",
    "PairedDifference",
    "SetDifference",
    "StatisticsError",
    "agreement_interval",
    "benjamini_hochberg",
    "bootstrap_interval",
    "bradley_terry",
    "detectable_effect",
    "detectable_win_rate",
    "e_process",
    "first_place",
    "gate_prompts",
    "gwet_ac2",
    "holm",
    "human_agreement",
    "intraclass_correlation",
    "krippendorff_alpha",
    "leave_one_out",
    "mean_interval",
    "metric_agreement",
    "paired_difference",
    "prompts_to_settle",
    "regression_p",
    "required_n",
    "required_votes",
    "set_metric_difference",
    "shrink_means",
    "sign_test",
    "win_rate_monitor",
]


def __getattr__(name: str) -> Any:
    # Exports load on first use, so that importing stepbench.stats costs nothing.
    if name not in _EXPORTS:
        raise AttributeError(f"module 'stepbench.stats' has no attribute {name!r}")
    return getattr(import_module(f"stepbench.stats.{_EXPORTS[name]}"), name)
