// Prometheus's answers as Grafana's data frames.
import { createDataFrame, FieldType } from '@grafana/data';
import { filled } from './legend.js';

const SPECIAL = new Map([
  ['NaN', null],
  ['+Inf', Infinity],
  ['-Inf', -Infinity],
]);
// What is no number is nothing: a gap in a graph, and the words for no data elsewhere.
const number = (text) => (SPECIAL.has(text) ? SPECIAL.get(text) : Number(text));

/** One series, over time or at one moment. */
export function seriesFrame({ refId, legendFormat }, { metric, value, values = [value] }, step) {
  const name = legendFormat && legendFormat !== '__auto' ? filled(legendFormat, metric) : undefined;
  return createDataFrame({
    refId,
    name,
    fields: [
      {
        name: 'Time',
        type: FieldType.time,
        config: { interval: step * 1000 },
        values: values.map(([time]) => time * 1000),
      },
      {
        name: 'Value',
        type: FieldType.number,
        labels: metric,
        config: { displayNameFromDS: name },
        values: values.map(([, text]) => number(text)),
      },
    ],
  });
}

/** All series of a query as rows: a column for each label, and one for the value. */
export function tableFrame({ refId }, results, several) {
  const labels = [...new Set(results.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const rows = results.flatMap(({ metric, value, values = [value] }) =>
    values.map(([time, text]) => ({ metric, time: time * 1000, value: number(text) })),
  );
  return createDataFrame({
    refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: rows.map(({ time }) => time) },
      ...labels.map((label) => ({
        name: label,
        type: FieldType.string,
        config: { filterable: true },
        values: rows.map(({ metric }) => metric[label] ?? ''),
      })),
      {
        name: several ? `Value #${refId}` : 'Value',
        type: FieldType.number,
        values: rows.map(({ value }) => value),
      },
    ],
  });
}
