/** A known fault as a patch of the sources, and the tests that must notice it. */

export interface Patch {
  /** Below src. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly search: string;
  readonly replace: string;
}

export interface Bug {
  readonly name: string;
  readonly patches: readonly Patch[];
  /** Test files, below test, of which one must fail. */
  readonly tests: readonly string[];
}

/** A bug that is one patch. */
export function bug(name: string, file: string, [search, replace]: [string, string], tests: string[]): Bug {
  return { name, patches: [{ file, search, replace }], tests };
}
