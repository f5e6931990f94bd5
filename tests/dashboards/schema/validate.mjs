// Hold dashboards to Grafana's own types: node validate.mjs FOLDER-WITH-NODE_MODULES MAJOR FILE...
// Prints a line for each fault; exits with 1 where there is one.
import { readFileSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, basename } from 'node:path';

const [folder, major, ...files] = process.argv.slice(2);
const require = createRequire(join(folder, 'package.json'));
const { createGenerator } = require('ts-json-schema-generator');
const Ajv = require('ajv').default;

// How a panel's type is called among the folders of Grafana's types.
const KINDS = { stat: 'stat', timeseries: 'timeseries', table: 'table', bargauge: 'bargauge', 'state-timeline': 'statetimeline' };
const WITH_FIELDS = ['timeseries', 'table', 'statetimeline'];

const raw = ['types', 'esm']
  .map((kind) => join(folder, 'node_modules', `grafana-schema-${major}`, 'dist', kind, 'raw'))
  .find((place) => existsSync(join(place, 'dashboard')));

function typesIn(place) {
  const [file] = readdirSync(place).filter((name) => name.endsWith('.gen.d.ts'));
  return join(place, file.replace(/\.d\.ts$/, ''));
}

const lines = [`import type { Dashboard } from '${typesIn(join(raw, 'dashboard', 'x'))}';`];
const members = ['dashboard: Dashboard'];
for (const kind of Object.values(KINDS)) {
  lines.push(`import type * as ${kind} from '${typesIn(join(raw, 'composable', kind, 'panelcfg', 'x'))}';`);
  members.push(`${kind}_options: ${kind}.Options`);
  if (WITH_FIELDS.includes(kind)) members.push(`${kind}_fields: ${kind}.FieldConfig`);
}
const wrapper = join(folder, `grafana-${major}.ts`);
writeFileSync(wrapper, `${lines.join('\n')}\nexport interface Everything { ${members.join('; ')} }\n`);

// The types import their own package by its name, which here has the major version in it.
const tsconfig = join(folder, `tsconfig-${major}.json`);
const index = join(raw, '..', 'index.d.ts');
const compilerOptions = { moduleResolution: 'node', noEmit: true, paths: { '@grafana/schema': [index] } };
writeFileSync(tsconfig, JSON.stringify({ compilerOptions, files: [wrapper] }));
const schema = createGenerator({ path: wrapper, tsconfig, type: 'Everything', expose: 'none', skipTypeCheck: true }).createSchema('Everything');
const ajv = new Ajv({ strict: false, allErrors: true });
ajv.addSchema(schema, 'grafana');
const validators = Object.fromEntries(
  members.map((member) => member.split(':')[0]).map((name) => [name, ajv.compile({ $ref: `grafana#/definitions/Everything/properties/${name}` })])
);

let faults = 0;
function check(name, value, place) {
  if (validators[name](value)) return;
  for (const error of validators[name].errors) {
    faults += 1;
    console.log(`Grafana ${major}: ${place}${error.instancePath}: ${error.message} ${JSON.stringify(error.params)}`);
  }
}

for (const file of files) {
  const dashboard = JSON.parse(readFileSync(file, 'utf8'));
  // An annotation has the fields of its datasource; the types know those of Grafana's built-in one.
  for (const annotation of dashboard.annotations.list) {
    for (const own of ['target', 'tagKeys', 'textFormat', 'titleFormat', 'useValueForTime']) delete annotation[own];
  }
  check('dashboard', dashboard, basename(file));
  for (const panel of dashboard.panels.filter((each) => each.type !== 'row')) {
    const kind = KINDS[panel.type];
    const place = `${basename(file)}: ${panel.title}`;
    check(`${kind}_options`, panel.options, place);
    if (WITH_FIELDS.includes(kind)) check(`${kind}_fields`, panel.fieldConfig.defaults.custom, place);
  }
}
process.exit(faults ? 1 : 0);
