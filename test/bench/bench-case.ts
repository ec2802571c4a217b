/** What a benchmark is: named figures, each a ratio to a limit measured in the same run where it has one. */
export interface Figure {
  readonly case: string;
  readonly value: number;
  readonly unit: string;
  /** What it is measured against, in the same unit; null where it stands alone. */
  readonly limit: number | null;
  /** value / limit; null where it stands alone. */
  readonly ratio: number | null;
  /** Largest ratio (or, without a limit, largest value) that passes; null where it is only told. */
  readonly most: number | null;
}

/** Says what a case that takes long is doing. */
export type Say = (text: string) => void;

export interface BenchCase {
  readonly name: string;
  readonly description: string;
  /** Why it is not run, in a sentence; null where it is. */
  readonly skipped?: string | null;
  /** Run only where it is named: it takes very long, or is a short form of another. */
  readonly onlyNamed?: boolean;
  /** Runs in a folder of its own, which is removed afterwards. */
  run(directory: string, say: Say): Promise<Figure[]>;
}

/** A figure with a limit measured beside it. */
export function against(
  name: string,
  unit: string,
  value: number,
  limit: number,
  most: number | null,
): Figure {
  return { case: name, value, unit, limit, ratio: value / limit, most };
}

/** A figure that stands alone, with the largest value that passes. */
export function alone(name: string, unit: string, value: number, most: number | null): Figure {
  return { case: name, value, unit, limit: null, ratio: null, most };
}

/** Whether a figure is as good as it has to be. */
export function passes({ value, ratio, most }: Figure): boolean {
  return most === null || (ratio ?? value) <= most;
}

/** Milliseconds that `work` takes. */
export async function timed<Result>(
  work: () => Result | Promise<Result>,
): Promise<{ ms: number; result: Result }> {
  const start = performance.now();
  const result = await work();
  return { ms: performance.now() - start, result };
}

/** The middle of an odd number of measurements, so that one disturbed run does not count. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** How a service is run, by its npm script, unit and container. */
export const serviceEnvironment = { MALLOC_ARENA_MAX: '2', TALLYSTICK_LOG_LEVEL: 'silent' } as const;
