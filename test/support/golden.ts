/** The recordings of test/golden, where they are and what is in them. */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const goldenRoot = fileURLToPath(new URL('../golden', import.meta.url));

/** One line of a `documents.ndjson`. */
export interface GoldenDocument {
  readonly id: string;
  readonly source: string;
  readonly deleteTime: string;
  readonly sha: string;
  readonly timestamp: string;
}

/** Paths of all recorded `documents.ndjson`, relative to the golden root, sorted. */
export function goldenDocumentFiles(): string[] {
  return globSync('**/documents.ndjson', { cwd: goldenRoot }).toSorted();
}

export function readGoldenDocuments(file: string): GoldenDocument[] {
  const lines = readFileSync(`${goldenRoot}/${file}`, 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as GoldenDocument);
}

interface VectorTree {
  readonly slot_count: number;
  readonly leaves: readonly {
    readonly entity: string;
    readonly json: string;
    readonly delete_time: string;
    readonly slot: number;
    readonly sha: string;
  }[];
  readonly slots: readonly {
    readonly slot: number;
    readonly sha: string;
    readonly start: number;
    readonly count: number;
  }[];
  readonly root: string;
  readonly footer: Readonly<Record<'leafEnd' | 'slots' | 'slotEnd' | 'rootLen', number>>;
  readonly file_hex: string;
  readonly file_sha256: string;
}

export interface RepairVectors {
  readonly xxh64_seed0: Readonly<Record<string, string>>;
  readonly svarint: Readonly<Record<string, string>>;
  readonly uvarint: Readonly<Record<string, string>>;
  readonly trees: { readonly no_space: VectorTree; readonly space: VectorTree };
}

export function readRepairVectors(): RepairVectors {
  return JSON.parse(readFileSync(`${goldenRoot}/banyandb-repair-vectors.json`, 'utf8')) as RepairVectors;
}
