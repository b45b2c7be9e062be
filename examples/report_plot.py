"""What each campaign brought in the last thirty days: a data frame, and a plot of it as SVG.

pip install klaviyo-async pandas matplotlib
KLAVIYO_API_KEY=pk_… python examples/report_plot.py campaigns.svg
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd

from klaviyo_async import F, Klaviyo

mpl.use("svg")
from matplotlib import pyplot as plt

METRIC = "Placed Order"
STATISTICS = ["opens", "clicks", "conversion_value"]


async def campaigns(klaviyo: Klaviyo) -> pd.DataFrame:
    """One row for each campaign: its name, when it was sent, and its figures."""
    metrics = await klaviyo.metrics.get_metrics().collect()
    metric = next((one.id for one in metrics if one.attributes.name == METRIC), None)
    if metric is None:
        raise LookupError(f"The account has no metric {METRIC!r}.")
    report, found = await asyncio.gather(
        klaviyo.reporting.query_campaign_values(
            statistics=["opens", "clicks", "conversion_value"],
            timeframe={"key": "last_30_days"},
            conversion_metric_id=metric,
        ),
        klaviyo.campaigns.get_campaigns(filter=F("messages.channel") == "email").collect(),
    )
    names = {campaign.id: campaign.attributes.name for campaign in found}
    rows: list[dict[str, Any]] = [
        {
            "campaign": names.get(result.groupings.get("campaign_id", ""), "not there any more"),
            **{name: result.statistics.get(name) for name in STATISTICS},
        }
        for result in report.data.attributes.results or []
    ]
    return pd.DataFrame(rows, columns=["campaign", *STATISTICS]).sort_values("conversion_value", ascending=False)


def plot(frame: pd.DataFrame, path: Path) -> None:
    """Plot the value that each campaign brought."""
    figure, axes = plt.subplots(figsize=(8, 1 + 0.4 * len(frame)), layout="constrained")
    axes.barh(frame["campaign"], frame["conversion_value"], color="#2a6f4e")
    axes.invert_yaxis()
    axes.set_xlabel(f"value of {METRIC} in 30 days")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="svg")
    plt.close(figure)


async def main(path: Path, **client: Any) -> pd.DataFrame:
    """Get the report with `Klaviyo(**client)`, print it, and plot it to `path`."""
    async with Klaviyo(**client) as klaviyo:
        frame = await campaigns(klaviyo)
    print(frame.to_string(index=False))
    plot(frame, path)
    return frame


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else "campaigns.svg")))
