/** Fills {{label}} in a legend's or an annotation's text. */
export function filled(format, labels) {
  return format.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label) => labels[label] ?? '');
}
