// Switches for a dashboard's annotations, which Grafana itself draws outside of its packages.
import { ControlsLabel, SceneObjectBase } from '@grafana/scenes';

function AnnotationSwitch({ layer }) {
  const { name, isHidden, key } = layer.useState();
  if (isHidden) {
    return null;
  }
  return (
    <div style={{ display: 'flex' }}>
      <ControlsLabel htmlFor={`data-layer-${key}`} label={name} />
      <layer.Component model={layer} />
    </div>
  );
}

function AnnotationControlsRenderer({ model }) {
  return model.state.layers.map((reference) => {
    const layer = reference.resolve();
    return <AnnotationSwitch key={layer.state.key} layer={layer} />;
  });
}

export class AnnotationControls extends SceneObjectBase {
  static Component = AnnotationControlsRenderer;
}
