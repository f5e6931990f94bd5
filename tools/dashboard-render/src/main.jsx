// Draws the dashboard that the address names, as Grafana's own addresses do: /d/UID?theme=light&from=...
import { createRoot } from 'react-dom/client';
import { initPluginTranslations } from '@grafana/i18n';
import { createTheme } from '@grafana/data';
import { Page } from './page.jsx';
import { PrometheusDataSource } from './prometheus/datasource.js';
import { fillRegistries } from './registries.js';
import { installRuntime } from './runtime.js';
import { buildScene } from './scene.js';

async function json(path) {
  const response = await fetch(path);
  if (!response.ok) {
    throw new Error(`${path}: ${response.status}`);
  }
  return response.json();
}

async function main() {
  const parameters = new URLSearchParams(location.search);
  const theme = createTheme({ colors: { mode: parameters.get('theme') ?? 'dark' } });
  const uid = decodeURIComponent(location.pathname.split('/')[2] ?? '');
  const [settings, dashboards] = await Promise.all([
    json('/settings.json'),
    json('/dashboards.json'),
  ]);
  const dashboard = dashboards.find((candidate) => candidate.uid === uid);
  if (dashboard === undefined) {
    throw new Error(`no dashboard '${uid}' among ${dashboards.map((d) => d.uid).join(', ')}`);
  }
  await initPluginTranslations('dashboard-render');
  fillRegistries();
  installRuntime(theme, new PrometheusDataSource('/prometheus', settings.scrapeInterval));
  document.title = dashboard.title;
  const scene = buildScene(dashboard, dashboards, parameters.get('viewPanel'));
  createRoot(document.getElementById('root')).render(
    <Page scene={scene} theme={theme} title={dashboard.title} />,
  );
}

main().catch((error) => {
  document.body.textContent = `cannot draw this: ${error.message}`;
  throw error;
});
