// The services that Grafana's packages expect around them, with as much in them as drawing needs.
import { from, of } from 'rxjs';
import { catchError, map } from 'rxjs/operators';
import { EventBusSrv, LoadingState, locationUtil, toDataFrame } from '@grafana/data';
import * as runtime from '@grafana/runtime';
import { panelPlugin } from './panels/index.js';

function runRequest(dataSource, request, queryFunction) {
  const query = queryFunction ?? ((each) => dataSource.query(each));
  const answer = (state, more) => ({
    state,
    series: [],
    request,
    timeRange: request.range,
    ...more,
  });
  return from(query(request)).pipe(
    map(({ data }) =>
      answer(LoadingState.Done, { series: data.map(toDataFrame), annotations: [] }),
    ),
    catchError((error) => of(answer(LoadingState.Error, { errors: [{ message: error.message }] }))),
  );
}

/** The one data source stands for all: a dashboard asks the one that its variable chooses. */
export function installRuntime(theme, dataSource) {
  const { config } = runtime;
  config.theme2 = theme;
  locationUtil.initialize({
    config,
    getTimeRangeForUrl: () => ({}),
    getVariablesUrlParams: () => ({}),
  });
  runtime.setDataSourceSrv({
    get: async () => dataSource,
    getList: () => [dataSource.settings],
    getInstanceSettings: () => dataSource.settings,
    reload() {},
    registerRuntimeDataSource() {},
  });
  runtime.setAppEvents(new EventBusSrv());
  runtime.setTemplateSrv({
    replace: (text) => text ?? '',
    getVariables: () => [],
    containsTemplate: () => false,
    updateTimeRange() {},
  });
  runtime.setEchoSrv({ flush() {}, addBackend() {}, addEvent() {} });
  runtime.setRunRequest(runRequest);
  runtime.setPluginImportUtils({
    importPanelPlugin: async (id) => panelPlugin(id),
    getPanelPluginFromCache: panelPlugin,
  });
}
