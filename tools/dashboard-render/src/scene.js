// A dashboard's JSON as a scene: variables, annotations, rows and panels. What is not known here is
// refused, so that no picture is silently less than the dashboard.
import * as scenes from '@grafana/scenes';
import { AnnotationControls } from './controls.jsx';
import { DashboardLinks } from './links.jsx';
import { panelPlugin } from './panels/index.js';
import { buildVariable } from './variables.js';

const POINTS = 500;

/** Tells each query which panel it is for, so that the page can be asked. */
class DashboardScene extends scenes.EmbeddedScene {
  enrichDataRequest(source) {
    let owner = source;
    while (owner && !(owner instanceof scenes.VizPanel)) {
      owner = owner.parent;
    }
    return { panelName: owner?.state.title ?? '' };
  }
}
DashboardScene.Component = scenes.EmbeddedScene.Component;

function panelData({ datasource, targets = [], interval, maxDataPoints, transformations = [] }) {
  if (targets.length === 0) {
    return undefined;
  }
  const $data = new scenes.SceneQueryRunner({
    datasource,
    queries: interval ? targets.map((target) => ({ interval, ...target })) : targets,
    maxDataPoints: maxDataPoints ?? POINTS,
  });
  if (transformations.length === 0) {
    return $data;
  }
  return new scenes.SceneDataTransformer({ $data, transformations });
}

function buildPanel(panel) {
  for (const key of ['repeat', 'libraryPanel', 'timeShift']) {
    if (panel[key]) {
      throw new Error(`the panel '${panel.title}' has '${key}', which is not drawn here`);
    }
  }
  panelPlugin(panel.type);
  const { id, title, description, type, options, fieldConfig, timeFrom, transparent } = panel;
  return new scenes.VizPanel({
    key: `panel-${id}`,
    title,
    description,
    pluginId: type,
    options: options ?? {},
    fieldConfig: { defaults: {}, overrides: [], ...fieldConfig },
    displayMode: transparent ? 'transparent' : 'default',
    hoverHeader: !title,
    $timeRange: timeFrom && new scenes.SceneTimeRange({ from: `now-${timeFrom}`, to: 'now' }),
    $data: panelData(panel),
  });
}

function buildItem(panel) {
  const { x, y, w: width, h: height } = panel.gridPos;
  const fixed = { isResizable: false, isDraggable: false };
  return new scenes.SceneGridItem({ x, y, width, height, ...fixed, body: buildPanel(panel) });
}

/** A row holds the panels that follow it, or when it is collapsed those in itself. */
function buildGrid(panels) {
  const children = [];
  let open = children;
  for (const panel of panels) {
    if (panel.type !== 'row') {
      open.push(buildItem(panel));
      continue;
    }
    const inside = panel.panels?.map(buildItem) ?? [];
    const row = { title: panel.title, y: panel.gridPos.y, isCollapsed: Boolean(panel.collapsed) };
    open = inside;
    children.push({ ...row, inside });
  }
  return children.map((child) =>
    child.inside ? new scenes.SceneGridRow({ ...child, x: 0, children: child.inside }) : child,
  );
}

function buildAnnotations({ list = [] } = {}) {
  // Grafana's own annotations are kept in its database, and there is none.
  const asked = list.filter(({ datasource }) => datasource?.uid !== '-- Grafana --');
  return asked.map(
    (query, index) =>
      new scenes.dataLayers.AnnotationsDataLayer({
        key: `annotations-${index}`,
        name: query.name,
        query,
        isEnabled: Boolean(query.enable),
        isHidden: Boolean(query.hide),
      }),
  );
}

/** All panels, or as `viewPanel` in an address wants it one alone, which has the page. */
function viewed(panels, only) {
  const everything = panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
  const found = everything.find(({ id }) => only === String(id) || only === `panel-${id}`);
  return found ? [{ ...found, gridPos: { x: 0, y: 0, w: 24, h: 20 } }] : panels;
}

export function buildScene(dashboard, dashboards, only) {
  const layers = buildAnnotations(dashboard.annotations);
  return new DashboardScene({
    $timeRange: new scenes.SceneTimeRange({ ...dashboard.time, timeZone: dashboard.timezone }),
    $variables: new scenes.SceneVariableSet({
      variables: (dashboard.templating?.list ?? []).map(buildVariable),
    }),
    $data: new scenes.SceneDataLayerSet({ layers }),
    controls: [
      new scenes.VariableValueSelectors({}),
      new AnnotationControls({ layers: layers.map((layer) => layer.getRef()) }),
      new scenes.SceneControlsSpacer(),
      new DashboardLinks({ dashboard, dashboards }),
      new scenes.SceneTimePicker({}),
      new scenes.SceneRefreshPicker({}),
    ],
    body: new scenes.SceneGridLayout({
      isLazy: false,
      children: buildGrid(viewed(dashboard.panels, only)),
    }),
  });
}
