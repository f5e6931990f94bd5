// What the panels of single values share: reducing series to values, and a link around a value.
import { getFieldDisplayValues } from '@grafana/data';
import { DataLinksContextMenu, useTheme2 } from '@grafana/ui';

export function useValues({ data, options, fieldConfig, replaceVariables, timeZone }, sparkline) {
  const theme = useTheme2();
  return () =>
    getFieldDisplayValues({
      fieldConfig,
      reduceOptions: { calcs: ['lastNotNull'], values: false, ...options.reduceOptions },
      replaceVariables,
      theme,
      data: data.series,
      sparkline,
      timeZone,
    });
}

/** Draws a value, and lets a click on it follow its link. */
export function Linked({ value, draw }) {
  if (!value.hasLinks || !value.getLinks) {
    return draw({});
  }
  return <DataLinksContextMenu links={value.getLinks}>{draw}</DataLinksContextMenu>;
}
