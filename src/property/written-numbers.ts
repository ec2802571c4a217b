/** Numbers as their JSON text has them: parsing rounds what a double cannot hold, and a problem is to show what was written. */
import { type RecordProblem, shortenText } from './record-problem.ts';

/** The problems, with every number that parsing changed as its text in `json`, which must be JSON. */
export function withWrittenNumbers(
  problems: readonly RecordProblem[],
  json: string,
): readonly RecordProblem[] {
  if (!problems.some(({ value }) => isChanged(value))) return problems;
  const written = parseWritten(json);
  return problems.map((problem) => {
    if (!isChanged(problem.value)) return problem;
    const text = memberAt(written, problem.field);
    return typeof text === 'string' ? { ...problem, value: shortenText(text) } : problem;
  });
}

// A fraction is left as the nearest double: only its last digits could differ from what was written.
function isChanged(value: unknown): boolean {
  if (typeof value !== 'number') return false;
  return Number.isFinite(value) ? Number.isInteger(value) && !Number.isSafeInteger(value) : true;
}

/** The parsed text with changed numbers as strings; null where it is nested too deeply to be gone through again. */
function parseWritten(json: string): unknown {
  try {
    return JSON.parse(json, (_name, value: unknown, context?: { readonly source?: string }) =>
      isChanged(value) ? context?.source : value,
    );
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

// A name that holds a dot or bracket is not found by its path; the problem then keeps the parsed number.
function memberAt(json: unknown, field: string): unknown {
  const steps = field.split(/[.[\]]+/).filter((step) => step !== '');
  return steps.reduce(
    (value, step) =>
      typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[step] : undefined,
    json,
  );
}
