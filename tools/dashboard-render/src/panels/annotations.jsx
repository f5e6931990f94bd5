// Annotations over a graph: a line where one begins, a mark below it, and a shade for as long as it
// lasts. What a mark tells is in its title, where Grafana shows a box.
import { useLayoutEffect, useState } from 'react';
import { createPortal } from 'react-dom';
import { DataFrameView } from '@grafana/data';

const label = ({ title, text, tags }) =>
  [title, text, (tags ?? []).join(' ')].filter(Boolean).join('\n');

function Mark({ event, plot }) {
  const at = (time) =>
    plot.valToPos(Math.min(Math.max(time, plot.scales.x.min), plot.scales.x.max), 'x');
  const [from, to] = [at(event.time), at(event.timeEnd ?? event.time)];
  const visible =
    (event.timeEnd ?? event.time) >= plot.scales.x.min && event.time <= plot.scales.x.max;
  if (!visible) {
    return null;
  }
  const shade = {
    background: `color-mix(in srgb, ${event.color} 8%, transparent)`,
    borderLeft: `1px dashed ${event.color}`,
    height: '100%',
    left: from,
    pointerEvents: 'none',
    position: 'absolute',
    top: 0,
    width: to - from,
  };
  const handle = {
    background: event.color,
    height: 5,
    left: Math.max(from - 3, 0),
    position: 'absolute',
    top: '100%',
    width: Math.max(to - from, 6),
  };
  return (
    <>
      <div style={shade} />
      <div data-testid="annotation" title={label(event)} style={handle} />
    </>
  );
}

export function AnnotationMarks({ config, frames }) {
  const [plot, setPlot] = useState(null);
  const [, setDrawn] = useState(0);
  useLayoutEffect(() => {
    config.addHook('init', setPlot);
    config.addHook('draw', () => setDrawn((count) => count + 1));
  }, [config]);
  if (plot?.scales.x.min == null) {
    return null;
  }
  const events = frames.flatMap((frame) => new DataFrameView(frame).toArray());
  return createPortal(
    events.map((event, index) => <Mark key={index} event={event} plot={plot} />),
    plot.over,
  );
}
