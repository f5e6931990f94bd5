// Grafana's state timeline is on no registry of packages: this is a drawing of our own. The texts and
// colours of its states are Grafana's, by the mappings and thresholds of the dashboard.
import {
  dateTimeFormat,
  FieldType,
  formattedValueToString,
  getFieldDisplayName,
  PanelPlugin,
} from '@grafana/data';
import { useTheme2, VizLegend, VizLayout } from '@grafana/ui';
import { customFields } from './fields.js';
import { NoData } from './nodata.jsx';

const AXIS_HEIGHT = 20;
const CHARACTER_WIDTH = 7;
const TICK_WIDTH = 90;
const EVERY = [
  10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800,
];

/** Equal states in a row are one; each lasts for a step, so that where there is none stays empty. */
function segments(times, step, field, merge, until) {
  const found = [];
  times.forEach((time, index) => {
    const value = field.values[index];
    const end = Math.min(times[index + 1] ?? Infinity, time + step, until);
    if (value == null) {
      return;
    }
    const display = field.display(value);
    const text = formattedValueToString(display);
    const last = found.at(-1);
    if (merge && last?.text === text && last.end === time) {
      last.end = end;
    } else {
      found.push({ text, color: display.color, start: time, end });
    }
  });
  return found;
}

function lanes(series, merge, until) {
  return series.flatMap((frame) => {
    const time = frame.fields.find(({ type }) => type === FieldType.time);
    const states = frame.fields.filter(({ type }) => type !== FieldType.time);
    return states.map((field) => ({
      name: getFieldDisplayName(field, frame, series),
      states: segments(time.values, time.config.interval, field, merge, until),
    }));
  });
}

function legendItems(rows) {
  const colors = new Map(
    rows.flatMap(({ states }) => states.map(({ text, color }) => [text, color])),
  );
  return [...colors].map(([label, color]) => ({ label, color, yAxis: 1 }));
}

function Lane({ row, top, height, left, at, rowHeight, theme }) {
  const middle = top + height / 2;
  const room = Math.floor(left / CHARACTER_WIDTH) - 1;
  const name = row.name.length > room ? `${row.name.slice(0, room - 1)}…` : row.name;
  const bar = height * rowHeight;
  return (
    <g>
      <text x={left - 8} y={middle} textAnchor="end" dominantBaseline="central" fontSize={12}>
        {name}
      </text>
      {row.states.map(({ start, end, text, color }) => {
        const width = Math.max(at(end) - at(start), 1);
        const fits = text.length * CHARACTER_WIDTH + 8 < width && bar >= 12;
        return (
          <g key={start}>
            <title>{text}</title>
            <rect x={at(start)} y={middle - bar / 2} width={width} height={bar} fill={color} />
            {fits && (
              <text
                x={at(start) + 4}
                y={middle}
                dominantBaseline="central"
                fontSize={12}
                style={{ fill: theme.colors.getContrastText(color) }}
              >
                {text}
              </text>
            )}
          </g>
        );
      })}
    </g>
  );
}

/** Round times, at most as many as there is room for. */
function ticks(from, to, room) {
  const every = EVERY.find((seconds) => (to - from) / (seconds * 1000) <= room) ?? EVERY.at(-1);
  const first = Math.ceil(from / (every * 1000));
  const count = Math.floor(to / (every * 1000)) - first + 1;
  const format = every < 60 ? 'HH:mm:ss' : every < 12 * 3600 ? 'HH:mm' : 'MM/DD HH:mm';
  const times = Array.from({ length: count }, (_, index) => (first + index) * every * 1000);
  return { times, format };
}

function Axis({ from, to, at, y, width, timeZone }) {
  const { times, format } = ticks(from, to, Math.max(Math.floor(width / TICK_WIDTH), 1));
  const whole = times.filter((time) => at(to) - at(time) > TICK_WIDTH / 4);
  return whole.map((time) => (
    <text key={time} x={at(time)} y={y} textAnchor="middle" fontSize={12}>
      {dateTimeFormat(time, { format, timeZone })}
    </text>
  ));
}

function Drawing({ rows, width, height, options, timeRange, timeZone }) {
  const theme = useTheme2();
  const [from, to] = [timeRange.from.valueOf(), timeRange.to.valueOf()];
  const longest = Math.max(...rows.map(({ name }) => name.length));
  const left = Math.min((longest + 3) * CHARACTER_WIDTH, width * 0.3);
  const at = (time) => left + ((Math.max(time, from) - from) / (to - from)) * (width - left);
  const laneHeight = (height - AXIS_HEIGHT) / rows.length;
  return (
    <svg
      data-testid="state-timeline"
      width={width}
      height={height}
      fill={theme.colors.text.primary}
    >
      {rows.map((row, index) => (
        <Lane
          key={row.name}
          row={row}
          top={index * laneHeight}
          height={laneHeight}
          left={left}
          at={at}
          rowHeight={options.rowHeight ?? 0.9}
          theme={theme}
        />
      ))}
      <Axis from={from} to={to} at={at} y={height - 5} width={width - left} timeZone={timeZone} />
    </svg>
  );
}

function StateTimeline({ data, width, height, options, fieldConfig, timeRange, timeZone }) {
  const rows = lanes(data.series, options.mergeValues ?? true, timeRange.to.valueOf());
  if (rows.length === 0) {
    return <NoData fieldConfig={fieldConfig} />;
  }
  const legend = options.legend?.showLegend !== false && (
    <VizLayout.Legend placement={options.legend?.placement ?? 'bottom'}>
      <VizLegend
        items={legendItems(rows)}
        displayMode={options.legend?.displayMode ?? 'list'}
        placement={options.legend?.placement ?? 'bottom'}
        readonly
      />
    </VizLayout.Legend>
  );
  return (
    <VizLayout width={width} height={height} legend={legend || null}>
      {(innerWidth, innerHeight) => (
        <Drawing
          rows={rows}
          width={innerWidth}
          height={innerHeight}
          options={options}
          timeRange={timeRange}
          timeZone={timeZone}
        />
      )}
    </VizLayout>
  );
}

export const stateTimeline = new PanelPlugin(StateTimeline).useFieldConfig({
  standardOptions: { color: { defaultValue: { mode: 'continuous-GrYlRd' } } },
  useCustomConfig: customFields({
    fillOpacity: 70,
    hideFrom: { legend: false, tooltip: false, viz: false },
    lineWidth: 0,
  }),
});
