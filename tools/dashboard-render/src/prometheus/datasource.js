// A Prometheus data source: the part of Grafana's that a dashboard sees. Steps, the rate interval,
// escaping and names are reckoned as Grafana reckons them.
import { DataSourceApi, rangeUtil } from '@grafana/data';
import { sceneGraph } from '@grafana/scenes';
import { noted } from '../progress.js';
import { annotationSupport } from './annotations.js';
import { escaped } from './escaping.js';
import { seriesFrame, tableFrame } from './frames.js';

const UID = 'prometheus';
const META = {
  id: 'prometheus',
  name: 'Prometheus',
  type: 'datasource',
  info: { logos: { small: '', large: '' } },
};
const LABEL_VALUES = /^label_values\((?:(?<selector>.+),\s*)?(?<label>\w+)\)\s*$/;

export class PrometheusDataSource extends DataSourceApi {
  constructor(url, scrapeInterval) {
    const settings = {
      id: 1,
      uid: UID,
      name: 'Prometheus',
      type: 'prometheus',
      url,
      jsonData: {},
      readOnly: true,
      access: 'proxy',
      isDefault: true,
      meta: META,
    };
    super(settings);
    this.settings = settings;
    this.url = url;
    /** The least time between two points, as set in the data source ("Scrape interval"). */
    this.interval = scrapeInterval;
    this.annotations = annotationSupport;
  }

  async ask(path, parameters) {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const body = await response.json();
    if (body.status !== 'success') {
      throw new Error(body.error);
    }
    if (body.warnings?.length) {
      throw new Error(`Prometheus warns: ${body.warnings.join('; ')}`);
    }
    return body.data;
  }

  async query(request) {
    const targets = request.targets.filter(({ hide, expr }) => !hide && expr);
    const tables = targets.filter(({ format }) => format === 'table').length;
    const answers = await Promise.all(
      targets.map((target) => this.answer(request, target, tables > 1)),
    );
    return { data: answers.flat() };
  }

  async answer(request, target, several) {
    const step = this.step(request, target);
    const expr = this.interpolated(target.expr, request, this.macros(request, step));
    const about = { panel: request.panelName, refId: target.refId, expr };
    const results = await noted(about, () => this.results(request, target, expr, step));
    if (target.format === 'table') {
      return [tableFrame(target, results, several)];
    }
    if (target.format && target.format !== 'time_series') {
      throw new Error(`the format ${target.format} is not drawn here`);
    }
    return results.map((result) => seriesFrame(target, result, step));
  }

  async results({ range }, target, expr, step) {
    if (target.instant) {
      return (await this.ask('query', { query: expr, time: range.to.unix() })).result;
    }
    const aligned = (moment) => Math.floor(moment.unix() / step) * step;
    const [start, end] = [aligned(range.from), aligned(range.to)];
    return (await this.ask('query_range', { query: expr, start, end, step })).result;
  }

  /** The seconds between two points: by the panel's width, but not under the least that is set. */
  step(request, target) {
    const least = target.interval
      ? rangeUtil.intervalToSeconds(this.interpolated(target.interval, request, {}))
      : rangeUtil.intervalToSeconds(this.interval);
    return Math.max(Math.ceil((request.intervalMs ?? 0) / 1000), least, 1);
  }

  macros({ range, scopedVars }, step) {
    const scrape = rangeUtil.intervalToSeconds(this.interval);
    const seconds = range.to.unix() - range.from.unix();
    const macro = (value) => ({ text: String(value), value });
    return {
      ...scopedVars,
      __interval: macro(`${step}s`),
      __interval_ms: macro(step * 1000),
      __rate_interval: macro(`${Math.max(step + scrape, 4 * scrape)}s`),
      __range: macro(`${seconds}s`),
      __range_s: macro(seconds),
      __range_ms: macro(seconds * 1000),
    };
  }

  interpolated(text, { scopedVars }, macros) {
    const scene = scopedVars.__sceneObject.value.valueOf();
    return sceneGraph.interpolate(scene, text, { ...scopedVars, ...macros }, escaped);
  }

  /** The choices of a variable. */
  async metricFindQuery(query, { scopedVars, range }) {
    const text = this.interpolated(query.query ?? query, { scopedVars }, {}).trim();
    const found = LABEL_VALUES.exec(text);
    if (found === null) {
      throw new Error(`a variable must ask for label_values(...), not ${text}`);
    }
    const { selector, label } = found.groups;
    const when = range ? { start: range.from.unix(), end: range.to.unix() } : {};
    const values = await this.ask(`label/${label}/values`, {
      ...when,
      ...(selector && { 'match[]': selector }),
    });
    return values.map((value) => ({ text: value }));
  }

  async testDatasource() {
    return { status: 'success', message: '' };
  }
}
