// A dashboard's links to others, found by tag, and to anything else.
import { urlUtil } from '@grafana/data';
import { sceneGraph, SceneObjectBase } from '@grafana/scenes';
import { LinkButton, Stack } from '@grafana/ui';

function targets(link, dashboard, dashboards) {
  if (link.type === 'link') {
    return [{ title: link.title, url: link.url }];
  }
  return dashboards
    .filter(
      ({ uid, tags = [] }) => uid !== dashboard.uid && link.tags.every((t) => tags.includes(t)),
    )
    .map(({ uid, title }) => ({ title, url: `/d/${uid}` }));
}

function DashboardLinksRenderer({ model }) {
  const { dashboard, dashboards } = model.useState();
  // The addresses hold the time and the variables, so they are made anew when those change.
  sceneGraph.getTimeRange(model).useState();
  sceneGraph.getVariables(model)?.useState();
  const address = (link, url) => {
    const kept = [link.keepTime && '${__url_time_range}', link.includeVars && '${__all_variables}'];
    const query = kept.filter(Boolean).join('&');
    return sceneGraph.interpolate(model, urlUtil.appendQueryToUrl(url, query));
  };
  return (
    <Stack gap={1} wrap="wrap">
      {(dashboard.links ?? []).flatMap((link) =>
        targets(link, dashboard, dashboards).map(({ title, url }) => (
          <LinkButton
            key={url}
            variant="secondary"
            icon={link.type === 'link' ? undefined : 'apps'}
            href={address(link, url)}
            target={link.targetBlank ? '_blank' : undefined}
          >
            {title}
          </LinkButton>
        )),
      )}
    </Stack>
  );
}

export class DashboardLinks extends SceneObjectBase {
  static Component = DashboardLinksRenderer;
}
