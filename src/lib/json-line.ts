/** NDJSON as everybody reads it: one JSON value a line. */

/**
 * `value` as a line of JSON, its end included. The line separators of Unicode, which JSON leaves as they are, are
 * escaped: a reader that splits text as Python's `splitlines` does takes them for ends of lines.
 */
export function jsonLine(
  value: unknown,
  replacer?: (this: unknown, key: string, value: unknown) => unknown,
): string {
  const text = JSON.stringify(value, replacer).replace(
    /[\u0085\u2028\u2029]/g,
    (separator) => `\\u${separator.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `${text}\n`;
}
