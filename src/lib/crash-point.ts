/**
 * Named moments at which a test kills the process, to show that what is on disk then is enough to go on.
 * Outside tests a call costs one comparison.
 */
let hook: ((name: string) => void) | null = null;

/** Marks a moment whose name crash tests use. */
export function crashPoint(name: string): void {
  if (hook !== null) hook(name);
}

/** Sets what happens at crash points; null for nothing. Only for tests. */
export function setCrashHook(next: ((name: string) => void) | null): void {
  hook = next;
}
