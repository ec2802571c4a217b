/** Units that settings and flags count in, and programs do not. */

/** Bytes. */
export const mebibyte = 1024 * 1024;

/** Milliseconds. */
export const dayMs = 24 * 3_600_000;
