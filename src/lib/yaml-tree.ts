/** YAML as a tree in which every value knows its line, for files whose faults are told by line and field. */
import { isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';

/** A value, and the line it stands in, from 1. What is neither map, list nor scalar (an alias) is `other`. */
export type YamlTree =
  | { readonly kind: 'map'; readonly line: number; readonly entries: readonly YamlEntry[] }
  | { readonly kind: 'list'; readonly line: number; readonly items: readonly YamlTree[] }
  | { readonly kind: 'scalar'; readonly line: number; readonly value: unknown }
  | { readonly kind: 'other'; readonly line: number };

export interface YamlEntry {
  readonly key: string;
  readonly line: number;
  readonly value: YamlTree;
}

export interface YamlFault {
  readonly line: number;
  readonly message: string;
}

/** Levels of a tree; no file of ours has more than a few. */
const depthMax = 32;

/** The tree of a text, or why it is no YAML. Aliases are not followed, so a tree is no larger than its text. */
export function parseYamlTree(text: string): YamlTree | readonly YamlFault[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, schema: 'core', prettyErrors: false });
  const faults = [...document.errors, ...document.warnings].map(({ pos, message }) => ({
    line: lines.linePos(pos[0]).line,
    message: message.replaceAll(/\s+/g, ' '),
  }));
  if (faults.length > 0) return faults;
  return treeOf(document.contents, { lines, line: 1, depth: 0 });
}

interface Where {
  readonly lines: LineCounter;
  /** Line of the nearest value around, for what has no place of its own. */
  readonly line: number;
  readonly depth: number;
}

function treeOf(node: unknown, where: Where): YamlTree {
  const { lines, depth } = where;
  const offset = (node as { range?: readonly number[] | null } | null)?.range?.[0];
  const line = offset === undefined ? where.line : lines.linePos(offset).line;
  const inner = { lines, line, depth: depth + 1 };
  if (node === null) return { kind: 'scalar', line, value: null };
  if (isScalar(node)) return { kind: 'scalar', line, value: node.value };
  if (depth === depthMax) return { kind: 'other', line };
  if (isSeq(node)) return { kind: 'list', line, items: node.items.map((item) => treeOf(item, inner)) };
  if (!isMap(node)) return { kind: 'other', line };
  const entries = node.items.map((pair) => {
    const key = treeOf(pair.key, inner);
    const name = key.kind === 'scalar' ? String(key.value) : '';
    return { key: name, line: key.line, value: treeOf(pair.value, { ...inner, line: key.line }) };
  });
  return { kind: 'map', line, entries };
}
