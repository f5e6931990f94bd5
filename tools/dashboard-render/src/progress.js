// What the page tells whoever looks at it from outside: which queries ran, what came, what is under way.

export const progress = { pending: 0, queries: [], fault: null };
window.progress = progress;

const fail = (reason) => {
  progress.fault ??= String(reason?.stack ?? reason);
};
// An event without an error is the browser's notice that a size changed twice within a frame.
window.addEventListener('error', ({ error }) => error && fail(error));
window.addEventListener('unhandledrejection', ({ reason }) => fail(reason));

// Grafana draws what is no number as it draws nothing.
const drawn = ([, text]) => text !== 'NaN';
const count = ({ value, values = [value] }) => values.filter(drawn).length;

/** Runs a query and notes it: its panel, its final text, how many samples came or which error. */
export async function noted({ panel, refId, expr }, run) {
  const entry = { panel, refId, expr, samples: 0, error: null };
  progress.pending += 1;
  try {
    const result = await run();
    entry.samples = result.reduce((sum, series) => sum + count(series), 0);
    return result;
  } catch (error) {
    entry.error = error.message;
    throw error;
  } finally {
    progress.pending -= 1;
    progress.queries.push(entry);
  }
}
