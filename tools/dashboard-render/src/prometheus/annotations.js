// Annotations of a PromQL query: where its value is above 0, or at the times that its values are.
import { of } from 'rxjs';
import { rangeUtil } from '@grafana/data';
import { filled } from './legend.js';

const DEFAULT_STEP = '60s';

/** Moments at most a step apart are one event that lasts. */
function spans(times, step) {
  const found = [];
  for (const time of times) {
    const last = found.at(-1);
    if (last && time - last.timeEnd <= step) {
      last.timeEnd = time;
    } else {
      found.push({ time, timeEnd: time });
    }
  }
  return found;
}

function events(annotation, frame) {
  const { step, useValueForTime, tagKeys = '', titleFormat = '', textFormat = '' } = annotation;
  const [times, values] = frame.fields;
  const labels = values.labels ?? {};
  const moments = useValueForTime
    ? [...new Set(values.values)].sort((a, b) => a - b)
    : times.values.filter((_, index) => values.values[index] > 0);
  const about = {
    title: filled(titleFormat, labels),
    text: filled(textFormat, labels),
    tags: tagKeys.split(',').flatMap((key) => labels[key.trim()] ?? []),
  };
  const apart = rangeUtil.intervalToSeconds(step || DEFAULT_STEP) * 1000;
  return spans(moments, apart).map((span) => ({ ...span, ...about }));
}

export const annotationSupport = {
  prepareAnnotation: (annotation) => annotation,
  prepareQuery: ({ expr, step, target }) => ({
    refId: 'Anno',
    expr: target?.expr || expr,
    interval: step || target?.interval || DEFAULT_STEP,
  }),
  processEvents: (annotation, frames) => of(frames.flatMap((frame) => events(annotation, frame))),
};
