import { useTheme2 } from '@grafana/ui';

/** What a panel says that got no series. */
export function NoData({ fieldConfig }) {
  const theme = useTheme2();
  const style = {
    alignItems: 'center',
    color: theme.colors.text.secondary,
    display: 'flex',
    height: '100%',
    justifyContent: 'center',
    textAlign: 'center',
  };
  return (
    <div data-testid="no-data" style={style}>
      {fieldConfig.defaults.noValue ?? 'No data'}
    </div>
  );
}
