"""The two Grafana dashboards. `make monitoring` writes them as JSON, to be imported or provisioned."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from deploy.monitoring.edge_board import EDGE_BOARD
from deploy.monitoring.panels import Board, Panel
from deploy.monitoring.scopegate_board import SCOPEGATE

_COLUMNS: Final = 24
_HEIGHT: Final = 8
_STAT_HEIGHT: Final = 4
_SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${source}")

BOARDS: Final = {"scopegate": SCOPEGATE, "edge": EDGE_BOARD}


def as_json(board: Board) -> str:
    """What Grafana imports; the same input, the same text."""
    builder = (
        dashboards.Dashboard(board.title)
        .uid(board.uid)
        .description(board.note)
        .tags(["scopegate"])
        .time("now-3h", "now")
        .refresh("30s")
        .timezone("browser")
        .editable()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboards.DatasourceVariable("source").label("Prometheus").type("prometheus"))
    )
    y, number = 0, 1
    for title, panels in board.rows.items():
        builder.with_row(dashboards.Row(title).id(number).grid_pos(_at(0, y, _COLUMNS, 1)))
        x, y, number, height = 0, y + 1, number + 1, 0
        for panel in panels:
            height = _STAT_HEIGHT if panel.is_stat else _HEIGHT
            if x + panel.width > _COLUMNS:
                x, y = 0, y + height
            builder.with_panel(_panel(panel).id(number).grid_pos(_at(x, y, panel.width, height)))
            x, number = x + panel.width, number + 1
        y += height
    return JSONEncoder(sort_keys=True, indent=2).encode(builder.build()) + "\n"


def _at(x: int, y: int, width: int, height: int) -> models.GridPos:
    return models.GridPos(x=x, y=y, w=width, h=height)


def _panel(panel: Panel) -> stat.Panel | timeseries.Panel:
    built = stat.Panel() if panel.is_stat else timeseries.Panel().min(0)
    built.title(panel.title).description(panel.note).unit(panel.unit).datasource(_SOURCE)
    for place, (query, legend) in enumerate(panel.queries):
        target = prometheus.Dataquery().expr(query).legend_format(legend).ref_id(chr(ord("A") + place))
        built.with_target(target.instant() if panel.is_stat else target.range().exemplar(True))
    return built
