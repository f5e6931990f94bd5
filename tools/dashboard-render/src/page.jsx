// What stands around a scene: the theme, the heading, and the address kept in step.
import { BrowserRouter } from 'react-router-dom';
import { ThemeContext } from '@grafana/data';
import { locationService, LocationServiceProvider } from '@grafana/runtime';
import { UrlSyncContextProvider } from '@grafana/scenes';
import { GlobalStyles, PortalContainer } from '@grafana/ui';

export function Page({ scene, theme, title }) {
  const style = {
    background: theme.colors.background.canvas,
    minHeight: '100vh',
    // The grid is wider than its place by its gap.
    padding: theme.spacing(2, 3, 2, 2),
  };
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <LocationServiceProvider service={locationService}>
        <BrowserRouter>
          <div style={style}>
            <h1 style={{ fontSize: theme.typography.h3.fontSize }}>{title}</h1>
            <UrlSyncContextProvider scene={scene} updateUrlOnInit>
              <scene.Component model={scene} />
            </UrlSyncContextProvider>
            <PortalContainer />
          </div>
        </BrowserRouter>
      </LocationServiceProvider>
    </ThemeContext.Provider>
  );
}
