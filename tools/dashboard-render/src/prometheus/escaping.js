// How a variable's value is written into PromQL where the dashboard does not say how: as Grafana's
// data source does as it is installed, so that what breaks there breaks here. Quotes are not escaped.

const inString = (value) => String(value).replace(/\\/g, '\\\\').replace(/'/g, "\\\\'");
const inExpression = (value) =>
  String(value)
    .replace(/\\/g, '\\\\\\\\')
    .replace(/[$^*{}[\]+?.()|]/g, '\\\\$&');

export function escaped(value, variable) {
  if (!variable?.multi && !variable?.includeAll) {
    return Array.isArray(value) ? value.map(inString).join('|') : inString(value);
  }
  const values = (Array.isArray(value) ? value : [value]).map(inExpression);
  return values.length === 1 ? values[0] : `(${values.join('|')})`;
}
