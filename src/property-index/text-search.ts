/**
 * Text search over the live properties of a shard: keys and tag text. Nothing is kept: the properties are
 * streamed in partitions, each is indexed in memory, asked and dropped, so that memory is bounded whatever the
 * size of the shard. The index proposes, and what it proposes is compared word by word before it is given.
 */
import { Index } from 'flexsearch';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted, yieldToEventLoop } from '../lib/event-loop.ts';
import type { Property } from '../property/property.ts';
import { parseSource } from '../property/source-json.ts';
import type { StoredVersion } from '../property/version.ts';
import { checkValue } from './check-value.ts';
import type { IndexReader } from './index-reader.ts';
import { matchesWord, type Word, wordsOf } from './search-words.ts';

/** Properties read at once: a query costs little beside the indexing, and 4 of the largest fit in some 8 MiB. */
const pageRows = 4;

/** Properties of a partition: a few milliseconds of indexing. */
const partitionRowsMax = 500;

/** Characters of a partition's texts: each makes an entry of the index, some 150 bytes. */
const partitionTextMax = 64 * 1024;

/** Characters of the stored texts that a partition keeps until it was asked: binary tags are long and not searched. */
const partitionSourceMax = 8 * 1024 * 1024;

/** Characters of a word that are indexed, so that a long one makes few entries; what is longer is compared. */
const indexedCharacters = 24;

/** The same for each position of an unspaced run, where every character begins a word. */
const indexedUnspacedCharacters = 3;

/** Ceiling of an asked text: it is read once per property found. */
const askedTextMax = 1_000;

/** Results when nobody says how many. */
export const searchLimitDefault = 20;

/** What is looked for: every word must be found, as a word or the beginning of one. */
export interface TextQuery {
  readonly words: readonly Word[];
}

/** Reads what people type. Throws `bad-argument` where there is no word in it, or it is too long. */
export function parseTextQuery(text: string): TextQuery {
  if (text.length > askedTextMax) {
    throw new CodedError(
      'bad-argument',
      `a text of ${text.length} characters; the ceiling is ${askedTextMax}`,
      { field: 'text' },
    );
  }
  const words = [...new Map([...wordsOf(text)].map((word) => [word.text, word])).values()];
  if (words.length === 0) {
    throw new CodedError('bad-argument', `there is no word to look for in ${JSON.stringify(text)}`, {
      field: 'text',
      value: text,
    });
  }
  return { words };
}

/** Live properties in which every word is found, in key order; whoever has enough stops reading. Throws `damaged-database`. */
export async function* searchText(
  reader: IndexReader,
  group: string,
  query: TextQuery,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly onProgress?: (searched: number) => void;
  } = {},
): AsyncGenerator<StoredVersion> {
  const { signal, onProgress } = options;
  throwIfAborted(signal);
  let partition = new Partition();
  let searched = 0;
  for (const page of reader.livePages(pageRows)) {
    for (const version of page) {
      partition.add(version, searchableTexts(parse(version, reader.path), group));
      if (!partition.full) continue;
      yield* checked(partition.search(query), reader.path);
      searched += partition.rows;
      partition = new Partition();
      onProgress?.(searched);
      await yieldToEventLoop(signal);
    }
  }
  yield* checked(partition.search(query), reader.path);
}

function parse(version: StoredVersion, path: string): Property {
  try {
    return parseSource(version.source);
  } catch (error) {
    checkValue(version, path);
    throw error;
  }
}

function* checked(found: Iterable<StoredVersion>, path: string): Generator<StoredVersion> {
  for (const version of found) {
    checkValue(version, path);
    yield version;
  }
}

interface PartitionRow {
  readonly version: StoredVersion;
  readonly texts: readonly string[];
}

class Partition {
  readonly #rows: PartitionRow[] = [];
  /** Rows that the index does not hold, since one alone would be too much for it. */
  readonly #unindexed = new Set<number>();
  readonly #index = new Index({
    tokenize: 'forward',
    // Texts are given as words already.
    encode: (words) => words.split(' '),
    resolution: 1,
    cache: false,
  });
  #characters = 0;
  #sourceCharacters = 0;

  get rows(): number {
    return this.#rows.length;
  }

  get full(): boolean {
    return (
      this.#rows.length >= partitionRowsMax ||
      this.#characters >= partitionTextMax ||
      this.#sourceCharacters >= partitionSourceMax
    );
  }

  add(version: StoredVersion, texts: readonly string[]): void {
    const row = this.#rows.length;
    this.#rows.push({ version, texts });
    const characters = texts.reduce((sum, text) => sum + text.length, 0);
    this.#characters += characters;
    this.#sourceCharacters += version.source.length;
    if (characters > partitionTextMax) this.#unindexed.add(row);
    else this.#index.add(row, [...indexedTerms(texts)].join(' '));
  }

  *search({ words }: TextQuery): Generator<StoredVersion> {
    if (this.#rows.length === 0) return;
    const asked = words.map(shortened).join(' ');
    const proposed = new Set([
      ...this.#index.search(asked, { limit: this.#rows.length }),
      ...this.#unindexed,
    ]);
    for (const [row, { version, texts }] of this.#rows.entries()) {
      if (proposed.has(row) && holdsAll(texts, words)) yield version;
    }
  }
}

function indexedTerms(texts: readonly string[]): Set<string> {
  const terms = new Set<string>();
  for (const text of texts) {
    for (const word of wordsOf(text)) {
      if (!word.unspaced) {
        terms.add(shortened(word));
        continue;
      }
      const characters = [...word.text];
      for (let start = 0; start < characters.length; start += 1) {
        terms.add(characters.slice(start, start + indexedUnspacedCharacters).join(''));
      }
    }
  }
  return terms;
}

function shortened({ text, unspaced }: Word): string {
  const characters = unspaced ? indexedUnspacedCharacters : indexedCharacters;
  return text.length <= characters ? text : [...text.slice(0, characters * 2)].slice(0, characters).join('');
}

function holdsAll(texts: readonly string[], words: readonly Word[]): boolean {
  const absent = new Set(words);
  for (const text of texts) {
    for (const found of wordsOf(text)) {
      for (const asked of absent) if (matchesWord(asked, found)) absent.delete(asked);
      if (absent.size === 0) return true;
    }
  }
  return false;
}

/** Everything in a property that can be searched: its key, tag keys, texts and whole numbers. */
function searchableTexts(property: Property, group: string): string[] {
  const texts = [group, property.name, property.id];
  for (const { key, value } of property.tags) {
    texts.push(key);
    if (value?.kind === 'str') texts.push(value.value);
    else if (value?.kind === 'strArray') texts.push(...value.value);
    else if (value?.kind === 'int') texts.push(String(value.value));
    else if (value?.kind === 'intArray') texts.push(...value.value.map(String));
  }
  return texts;
}
