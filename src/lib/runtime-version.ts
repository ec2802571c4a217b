/** Which Node.js the program runs on; read before anything that an older one cannot even parse. */

/** As `engines` in package.json says. */
export const runtimeMajorMin = 24;

/** A sentence that says what is wrong with a version such as `v20.1.0`; null where nothing is. */
export function unfitRuntime(version: string): string | null {
  const major = Number(/^v(\d+)\./.exec(version)?.[1]);
  return major >= runtimeMajorMin
    ? null
    : `Node.js ${runtimeMajorMin} or later is needed, and this is ${version}`;
}
