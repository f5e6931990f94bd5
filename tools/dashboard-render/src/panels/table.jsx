import { useMemo } from 'react';
import { cacheFieldDisplayNames, PanelPlugin } from '@grafana/data';
import { TableNG } from '@grafana/ui/unstable';
import { customFields } from './fields.js';
import { NoData } from './nodata.jsx';

function Table({ data, width, height, options, fieldConfig, timeRange }) {
  const [frame] = data.series;
  // The table looks its columns up by these names.
  useMemo(() => cacheFieldDisplayNames(data.series), [data.series]);
  if (!frame?.length) {
    return <NoData fieldConfig={fieldConfig} />;
  }
  return (
    <TableNG
      data={frame}
      width={width}
      height={height}
      noHeader={options.showHeader === false}
      sortBy={options.sortBy}
      sortByBehavior="initial"
      cellHeight={options.cellHeight ?? 'sm'}
      enablePagination={options.enablePagination ?? options.footer?.enablePagination}
      frozenColumns={options.frozenColumns?.left}
      structureRev={data.structureRev}
      timeRange={timeRange}
      fieldConfig={fieldConfig}
      noValue={fieldConfig.defaults.noValue}
      resizable={false}
    />
  );
}

export const table = new PanelPlugin(Table).useFieldConfig({
  useCustomConfig: customFields({
    align: 'auto',
    cellOptions: { type: 'auto' },
    filterable: false,
    footer: {},
    hidden: false,
    hideFrom: undefined,
    inspect: false,
    minWidth: undefined,
    width: undefined,
    wrapHeaderText: undefined,
  }),
});
