// A dashboard's variables as scene variables.
import * as scenes from '@grafana/scenes';

const common = ({ name, label, description, hide, skipUrlSync }) => ({
  name,
  label,
  description,
  hide,
  skipUrlSync,
});

const choice = ({ current, multi, includeAll, allValue }) => ({
  value: current?.value ?? '',
  text: current?.text ?? '',
  isMulti: multi,
  includeAll,
  allValue,
});

const BUILDERS = {
  datasource: (variable) =>
    new scenes.DataSourceVariable({
      ...common(variable),
      pluginId: variable.query,
      regex: variable.regex ?? '',
    }),
  query: (variable) =>
    new scenes.QueryVariable({
      ...common(variable),
      ...choice(variable),
      query: variable.query,
      datasource: variable.datasource,
      regex: variable.regex ?? '',
      refresh: variable.refresh,
      sort: variable.sort,
    }),
  custom: (variable) =>
    new scenes.CustomVariable({ ...common(variable), ...choice(variable), query: variable.query }),
  constant: (variable) =>
    new scenes.ConstantVariable({ ...common(variable), value: variable.query }),
  textbox: (variable) =>
    new scenes.TextBoxVariable({ ...common(variable), value: variable.current?.value ?? '' }),
};

export function buildVariable(variable) {
  const build = BUILDERS[variable.type];
  if (build === undefined) {
    throw new Error(
      `the variable '${variable.name}' is of a kind not drawn here: ${variable.type}`,
    );
  }
  return build(variable);
}
