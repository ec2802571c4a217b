/** Ends the run on a mistake of our own; what the world can cause is a CodedError instead. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
