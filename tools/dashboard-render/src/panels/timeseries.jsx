import { useMemo } from 'react';
import { applyNullInsertThreshold, FieldType, PanelPlugin } from '@grafana/data';
import { TimeSeries } from '@grafana/ui';
import { AnnotationMarks } from './annotations.jsx';
import { customFields } from './fields.js';
import { NoData } from './nodata.jsx';

const LEGEND = { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] };

/** A series that ended before the range did goes on with nothing: that is its last value then. */
function continued(frame, end) {
  return applyNullInsertThreshold({ frame, refFieldPseudoMax: end });
}

function Graph({ data, width, height, options, fieldConfig, timeRange, timeZone }) {
  const end = timeRange.to.valueOf();
  const frames = useMemo(
    () =>
      data.series
        .filter(({ fields }) => fields.some(({ type }) => type === FieldType.number))
        .map((frame) => continued(frame, end)),
    [data.series, end],
  );
  if (frames.length === 0) {
    return <NoData fieldConfig={fieldConfig} />;
  }
  return (
    <TimeSeries
      frames={frames}
      structureRev={data.structureRev}
      width={width}
      height={height}
      timeRange={timeRange}
      timeZone={timeZone}
      legend={{ ...LEGEND, ...options.legend }}
      options={options}
    >
      {(config) => <AnnotationMarks config={config} frames={data.annotations ?? []} />}
    </TimeSeries>
  );
}

export const timeSeries = new PanelPlugin(Graph)
  .setDataSupport({ annotations: true, alertStates: true })
  .useFieldConfig({
    standardOptions: { color: { defaultValue: { mode: 'palette-classic' } } },
    useCustomConfig: customFields({
      axisBorderShow: false,
      axisCenteredZero: false,
      axisColorMode: 'text',
      axisGridShow: undefined,
      axisLabel: '',
      axisPlacement: 'auto',
      axisSoftMax: undefined,
      axisSoftMin: undefined,
      axisWidth: undefined,
      barAlignment: 0,
      barWidthFactor: 0.6,
      drawStyle: 'line',
      fillBelowTo: undefined,
      fillOpacity: 0,
      gradientMode: 'none',
      hideFrom: { legend: false, tooltip: false, viz: false },
      insertNulls: false,
      lineColor: undefined,
      lineInterpolation: 'linear',
      lineStyle: undefined,
      lineWidth: 1,
      pointColor: undefined,
      pointSize: 5,
      scaleDistribution: { type: 'linear' },
      showPoints: 'auto',
      spanNulls: false,
      stacking: { mode: 'none', group: 'A' },
      thresholdsStyle: { mode: 'off' },
      transform: undefined,
    }),
  });
