/** YAML of settings and nodes files, with every fault's line. */
import { parseDocument } from 'yaml';
import { CodedError } from './coded-error.ts';

/** Aliases of a document may not blow it up beyond this many nodes. */
const aliasCountMax = 100;

/** The document's value. Throws `bad-settings` with `problems`, one per fault of the syntax. */
export function parseYaml(file: string, text: string): unknown {
  const document = parseDocument(text, { prettyErrors: false, uniqueKeys: true });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length === 0) return document.toJS({ maxAliasCount: aliasCountMax });
  const problems = faults.map(({ message, pos }) => ({
    file,
    line: text.slice(0, pos[0]).split('\n').length,
    field: '',
    value: text.slice(pos[0], pos[0] + 40).split('\n')[0] ?? '',
    message,
  }));
  throw new CodedError('bad-settings', `${file} is no YAML`, { problems });
}
