// The panels by their type. Grafana's panel plugins are on no registry of packages; these are shells
// around the visualisations that are.
import { barGauge } from './bargauge.jsx';
import { stat } from './stat.jsx';
import { stateTimeline } from './statetimeline.jsx';
import { table } from './table.jsx';
import { text } from './text.jsx';
import { timeSeries } from './timeseries.jsx';

const PLUGINS = {
  bargauge: barGauge,
  stat,
  'state-timeline': stateTimeline,
  table,
  text,
  timeseries: timeSeries,
};

for (const [id, plugin] of Object.entries(PLUGINS)) {
  plugin.meta = {
    id,
    name: id,
    type: 'panel',
    info: { version: '' },
    module: '',
    baseUrl: '',
    sort: 1,
    skipDataQuery: id === 'text',
  };
}

export function panelPlugin(id) {
  if (!(id in PLUGINS)) {
    throw new Error(`panels of type ${id} are not drawn here`);
  }
  return PLUGINS[id];
}
