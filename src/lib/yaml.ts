/** YAML of settings and nodes files, with every fault's line. */
import { type Document, isMap, isPair, isScalar, isSeq, type Node, parseDocument, stringify } from 'yaml';
import { CodedError } from './coded-error.ts';

/** Aliases of a document may not blow it up beyond this many nodes. */
const aliasCountMax = 100;

/** A document's value, and where its parts stand. */
export interface YamlLines {
  readonly value: unknown;
  /** Line of the part at a path, or of the nearest part around it that is there; from 1. */
  readonly lineOf: (path: readonly PropertyKey[]) => number;
}

/** The document's value. Throws `bad-settings` with `problems`, one per fault of the syntax. */
export function parseYaml(file: string, text: string): unknown {
  return parseYamlLines(file, text).value;
}

/** As {@link parseYaml}, with the lines of its parts. */
export function parseYamlLines(file: string, text: string): YamlLines {
  const document = parseDocument(text, { prettyErrors: false, uniqueKeys: true });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length === 0) {
    return {
      value: document.toJS({ maxAliasCount: aliasCountMax }),
      lineOf: (path) => lineAt(text, offsetOf(document, path)),
    };
  }
  const problems = faults.map(({ message, pos }) => ({
    file,
    line: lineAt(text, pos[0]),
    field: '',
    value: text.slice(pos[0], pos[0] + 40).split('\n')[0] ?? '',
    message,
  }));
  throw new CodedError('bad-settings', `${file} is no YAML`, { problems });
}

/** A value as YAML. */
export function formatYaml(value: unknown): string {
  return stringify(value, { lineWidth: 0 });
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const name of path) {
    const part: unknown = isMap(node)
      ? node.items.find(({ key }) => isScalar(key) && key.value === name)
      : isSeq(node)
        ? node.items[Number(name)]
        : undefined;
    if (part === undefined) break;
    const place = (isPair(part) ? part.key : part) as Node;
    offset = place.range?.[0] ?? offset;
    node = isPair(part) ? part.value : part;
  }
  return offset;
}
