import { getDisplayValueAlignmentFactors, PanelPlugin } from '@grafana/data';
import { BarGauge, useTheme2, VizRepeater } from '@grafana/ui';
import { NoData } from './nodata.jsx';
import { Linked, useValues } from './values.jsx';

function Bars(props) {
  const { data, width, height, options, fieldConfig, renderCounter } = props;
  const theme = useTheme2();
  const getValues = useValues(props, false);
  if (data.series.length === 0) {
    return <NoData fieldConfig={fieldConfig} />;
  }
  const renderValue = ({ value, width, height, orientation, count, alignmentFactors }) => (
    <Linked
      value={value}
      draw={({ openMenu, targetClassName }) => (
        <BarGauge
          value={value.display}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex)}
          displayMode={options.displayMode ?? 'gradient'}
          valueDisplayMode={options.valueMode}
          namePlacement={options.namePlacement}
          showUnfilled={options.showUnfilled ?? true}
          text={options.text}
          isOverflow={count > 1 && height < 16}
          alignmentFactors={alignmentFactors}
          lcdCellWidth={12}
          itemSpacing={8}
          orientation={orientation}
          width={width}
          height={height}
          theme={theme}
          onClick={openMenu}
          className={targetClassName}
        />
      )}
    />
  );
  return (
    <VizRepeater
      source={data}
      width={width}
      height={height}
      renderCounter={renderCounter}
      orientation={options.orientation || 'auto'}
      itemSpacing={10}
      minVizWidth={options.minVizWidth ?? 8}
      minVizHeight={options.minVizHeight ?? 16}
      maxVizHeight={options.sizing === 'manual' ? options.maxVizHeight : undefined}
      getValues={getValues}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={renderValue}
    />
  );
}

export const barGauge = new PanelPlugin(Bars).useFieldConfig();
