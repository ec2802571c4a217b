/**
 * The rules of how sources may refer to each other, as a pure function from sources to complaints, so that the
 * rules themselves are tested on made-up sources. layers.test.ts runs them on the real ones.
 */
import { posix } from 'node:path';

/** The river: a file imports from its own folder or an earlier one. */
export const folders = [
  'lib',
  'property',
  'property-index',
  'tree',
  'shard-copy',
  'diff',
  'repair',
  'peer',
  'banyandb',
  'property-store',
  'round',
  'schedule',
  'settings',
  'admin',
  'service',
  'commands',
] as const;

/** Generated code lies in folders of its own, named by its generator and as long as it has to be. */
const generatedFolders: readonly string[] = ['peer/generated', 'banyandb/generated'];

/** What the entry file may import beside nothing. */
const entryFile = 'cli.ts';
const entryMayImport: readonly string[] = ['lib', 'commands'];

/** Runtime libraries that every schema needs where it stands. */
const sharedPackages: readonly string[] = ['zod', '@bufbuild/protobuf'];

export const fileLinesMax = 300;

const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/;

/** One reference from a file: an import of any kind, or the address of a worker beside it. */
interface Reference {
  readonly line: number;
  /** Null where the address is computed and so cannot be checked. */
  readonly specifier: string | null;
}

// Declarations stand at the start of a line (the formatter sees to it), so prose in comments is not taken for one.
const referencePatterns: readonly RegExp[] = [
  /^(?:import|export)\s[^;'"`]*?\bfrom\s*['"]([^'"\n]+)['"]/gm,
  /^import\s*['"]([^'"\n]+)['"]/gm,
  /\bimport\(\s*['"]([^'"\n]+)['"]/g,
  /\bimport\((?!\s*['"])/g,
  /\brequire(?:\.resolve)?\(\s*['"]([^'"\n]+)['"]/g,
  /\bimport\.meta\.resolve\(\s*['"]([^'"\n]+)['"]/g,
  /\bnew URL\(\s*['"`](\.[^'"`\n]*)['"`]\s*,\s*import\.meta\.url/g,
];

/** Every reference in a source text. */
export function references(text: string): Reference[] {
  return referencePatterns.flatMap((pattern) =>
    [...text.matchAll(pattern)].map((match) => ({
      line: text.slice(0, match.index).split('\n').length,
      specifier: match[1] ?? null,
    })),
  );
}

/** All complaints about `sources`, keyed by path below src with forward slashes; `packages` are the declared dependencies. */
export function layerComplaints(
  sources: ReadonlyMap<string, string>,
  packages: ReadonlySet<string>,
): string[] {
  const complaints: string[] = [];
  const edges = new Map<string, string[]>();
  const importers = new Map<string, Set<string>>();
  for (const [path, text] of sources) {
    complaints.push(...placeComplaints(path));
    const targets: string[] = [];
    for (const { line, specifier } of references(text)) {
      const at = `src/${path}:${line}`;
      if (specifier === null) complaints.push(`${at} imports a computed address`);
      else if (specifier.startsWith('node:')) continue;
      else if (specifier.startsWith('.')) {
        const target = resolveReference(path, specifier, sources);
        targets.push(target);
        complaints.push(...directionComplaints(at, path, target));
      } else {
        const name = packageName(specifier);
        if (!packages.has(name)) complaints.push(`${at} imports ${name}, which is no dependency`);
        if (sharedPackages.includes(name)) continue;
        importers.set(name, (importers.get(name) ?? new Set()).add(folderOf(path)));
      }
    }
    edges.set(path, targets);
  }
  for (const [name, places] of importers) {
    if (places.size > 1) complaints.push(`${name} is imported by ${[...places].sort().join(' and ')}`);
  }
  const cycle = findCycle(edges);
  if (cycle) complaints.push(`cycle: ${cycle.join(' -> ')}`);
  return complaints;
}

/** Complaints about the length and name of one TypeScript file of src or test. */
export function fileComplaints(path: string, text: string): string[] {
  if (generatedFolders.some((folder) => path.startsWith(`src/${folder}/`))) return [];
  const complaints: string[] = [];
  const name = posix.basename(path);
  if (/^index\./.test(name)) complaints.push(`${path} is an index file`);
  for (const part of path.split('/')) {
    if (!kebabCase.test(part)) complaints.push(`${path}: ${part} is not kebab-case`);
  }
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  if (lines > fileLinesMax) complaints.push(`${path} has ${lines} lines, more than ${fileLinesMax}`);
  return complaints;
}

// What ties the text to one machine or one moment: absolute paths, tracker numbers, things left to do.
const foreignWords: readonly RegExp[] = [
  /(^|[\s'"`(])\/(home|root|tmp|Users)\//,
  /\bissue #/i,
  /\(W\d{1,2}\b/,
  /\b(TODO|FIXME|XXX)\b/,
];

/** Complaints about such words, line by line. */
export function wordComplaints(path: string, text: string): string[] {
  return text.split('\n').flatMap((line, index) =>
    foreignWords.flatMap((pattern) => {
      const found = pattern.exec(line);
      return found ? [`${path}:${index + 1} says ${JSON.stringify(found[0])}`] : [];
    }),
  );
}

function placeComplaints(path: string): string[] {
  if (!path.includes('/')) return path === entryFile ? [] : [`src/${path} lies outside the folders`];
  const folder = posix.dirname(path);
  if ((folders as readonly string[]).includes(folder)) return [];
  if (generatedFolders.some((generated) => `${folder}/`.startsWith(`${generated}/`))) return [];
  return [`src/${folder}/ is not in the list of folders`];
}

function directionComplaints(at: string, path: string, target: string): string[] {
  if (target === '../package.json') return [];
  if (target.startsWith('..')) return [`${at} refers to ${target}, outside src`];
  const to = folderOf(target);
  if (path === entryFile) {
    return entryMayImport.includes(to) ? [] : [`${at}: ${entryFile} may not import ${target}`];
  }
  const names: readonly string[] = folders;
  const from = names.indexOf(folderOf(path));
  const upstream = names.indexOf(to);
  if (upstream < 0) return [`${at} refers to ${target}, which lies in no folder of the list`];
  return upstream > from && from >= 0 ? [`${at}: ${folderOf(path)} may not import ${target}`] : [];
}

/** The path below src that a relative specifier names; a worker's address may leave its extension computed. */
function resolveReference(path: string, specifier: string, sources: ReadonlyMap<string, string>): string {
  const computed = specifier.indexOf('${');
  const literal = computed < 0 ? specifier : specifier.slice(0, computed);
  const target = posix.normalize(posix.join(posix.dirname(path), literal));
  if (sources.has(target)) return target;
  return sources.has(`${target}.ts`) ? `${target}.ts` : target;
}

function folderOf(path: string): string {
  return path.includes('/') ? (path.split('/')[0] ?? path) : path;
}

function packageName(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** Some cycle of the graph as a closed path, or null. */
function findCycle(edges: ReadonlyMap<string, readonly string[]>): string[] | null {
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): string[] | null => {
    const seenAt = trail.indexOf(path);
    if (seenAt >= 0) return [...trail.slice(seenAt), path];
    if (done.has(path)) return null;
    trail.push(path);
    for (const target of edges.get(path) ?? []) {
      const cycle = visit(target);
      if (cycle) return cycle;
    }
    trail.pop();
    done.add(path);
    return null;
  };
  for (const path of edges.keys()) {
    const cycle = visit(path);
    if (cycle) return cycle;
  }
  return null;
}
