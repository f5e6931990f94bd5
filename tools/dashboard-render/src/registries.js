// Grafana fills these registries when it starts, from code that is on no registry of packages: the
// properties that every field may have, and the transformations. What each does with a value is the
// packages' own; only the editors, which are not shown here, are left empty.
import * as data from '@grafana/data';

const noEditor = () => null;

function property(id, process, defaultValue) {
  return {
    id,
    path: id,
    name: id,
    editor: noEditor,
    override: noEditor,
    process,
    defaultValue,
    shouldApply: () => true,
    getItemsCount: () => 0,
  };
}

function fieldProperties() {
  return [
    property('unit', data.unitOverrideProcessor),
    property('min', data.numberOverrideProcessor),
    property('max', data.numberOverrideProcessor),
    property('decimals', data.numberOverrideProcessor),
    property('displayName', data.displayNameOverrideProcessor),
    property('description', data.stringOverrideProcessor),
    property('noValue', data.stringOverrideProcessor),
    property('color', data.identityOverrideProcessor, { mode: 'thresholds' }),
    property('thresholds', data.thresholdsOverrideProcessor, {
      mode: 'absolute',
      steps: [
        { value: -Infinity, color: 'green' },
        { value: 80, color: 'red' },
      ],
    }),
    property('mappings', data.valueMappingsOverrideProcessor, []),
    property('links', data.dataLinksOverrideProcessor),
    property('filterable', data.booleanOverrideProcessor),
    property('fieldMinMax', data.booleanOverrideProcessor),
  ];
}

const EDITORS = [
  'boolean',
  'color',
  'fieldColor',
  'links',
  'mappings',
  'multi-select',
  'number',
  'radio',
  'select',
  'slider',
  'stats-picker',
  'strings',
  'text',
  'thresholds',
  'timezone',
  'unit',
];

function transformations() {
  // Some stand there twice, by an old name and a new one.
  const byId = new Map(Object.values(data.standardTransformers).map((each) => [each.id, each]));
  return [...byId.values()].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation: () => Promise.resolve(transformation),
    editor: noEditor,
  }));
}

export function fillRegistries() {
  data.standardFieldConfigEditorRegistry.setInit(fieldProperties);
  data.standardEditorsRegistry.setInit(() =>
    EDITORS.map((id) => ({ id, name: id, editor: noEditor })),
  );
  data.standardTransformersRegistry.setInit(transformations);
}
