import { getDisplayValueAlignmentFactors, PanelPlugin } from '@grafana/data';
import { BigValue, useTheme2, VizRepeater } from '@grafana/ui';
import { Linked, useValues } from './values.jsx';

function Stat(props) {
  const { data, width, height, options, renderCounter } = props;
  const theme = useTheme2();
  const graphMode = options.graphMode ?? 'area';
  const getValues = useValues(props, graphMode !== 'none');
  const renderValue = ({ value, width, height, count, alignmentFactors }) => (
    <Linked
      value={value}
      draw={({ openMenu, targetClassName }) => (
        <BigValue
          value={value.display}
          count={count}
          sparkline={value.sparkline}
          colorMode={options.colorMode ?? 'value'}
          graphMode={graphMode}
          justifyMode={options.justifyMode ?? 'auto'}
          textMode={options.textMode ?? 'auto'}
          text={options.text}
          disableWideLayout={options.wideLayout === false}
          percentChangeColorMode={options.percentChangeColorMode}
          alignmentFactors={alignmentFactors}
          width={width}
          height={height}
          theme={theme}
          onClick={openMenu}
          className={targetClassName}
          hasLinks={value.hasLinks}
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
      autoGrid
      getValues={getValues}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={renderValue}
    />
  );
}

export const stat = new PanelPlugin(Stat).useFieldConfig();
