/** What is wrong with a record, and where in it: one problem per wrong member, gathered so that all are told at once. */

export interface RecordProblem {
  /** Path of the member, such as `tags[2].value.int.value`; empty for the record as a whole. */
  readonly field: string;
  /** The wrong JSON value, shortened by {@link shortenValue}; null where it is absent. */
  readonly value: unknown;
  readonly message: string;
}

/** Problems told of one record: the first thousand say enough, and a 16 MiB record could hold millions. */
export const recordProblemsMax = 1_000;

/** Characters of a value or of one path segment that a problem repeats: enough to find it, fits a line. */
export const shownCharactersMax = 200;

// A preview of an array or object: deeper or longer ones are shown as text that is cut anyway.
const shownDepthMax = 4;
const shownMembersMax = 16;

export function shortenText(text: string): string {
  return text.length <= shownCharactersMax ? text : `${text.slice(0, shownCharactersMax).toWellFormed()}…`;
}

/** The value itself if its JSON is short, else the beginning of its text followed by `…`. Absent becomes null. */
export function shortenValue(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return shortenText(value);
  if (typeof value !== 'object') return value;
  const preview = JSON.stringify(previewOf(value, shownDepthMax));
  return preview.length <= shownCharactersMax && !preview.includes('…') ? value : shortenText(preview);
}

// Copies only what can be shown: JSON.stringify alone would recurse as deep as the input is nested.
function previewOf(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return shortenText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) return '…';
  if (Array.isArray(value)) {
    const items = value.slice(0, shownMembersMax).map((item) => previewOf(item, depth - 1));
    return value.length > shownMembersMax ? [...items, '…'] : items;
  }
  const members: [string, unknown][] = [];
  for (const [name, member] of Object.entries(value)) {
    if (members.length === shownMembersMax) {
      members.push(['…', null]);
      break;
    }
    members.push([shortenText(name), previewOf(member, depth - 1)]);
  }
  return Object.fromEntries(members);
}

/** The problems of one record, in the order found. */
export class ProblemList {
  readonly problems: RecordProblem[] = [];

  add(field: string, value: unknown, message: string): void {
    if (this.full) return;
    if (this.problems.length === recordProblemsMax) {
      this.problems.push({
        field: '',
        value: null,
        message: `more than ${recordProblemsMax} problems in this record`,
      });
      return;
    }
    this.problems.push({ field, value: shortenValue(value), message });
  }

  /** No more problems are taken. */
  get full(): boolean {
    return this.problems.length > recordProblemsMax;
  }

  has(field: string): boolean {
    return this.problems.some((problem) => problem.field === field);
  }
}

/** One step on the way into a record; its path is only spelled out when something is wrong there. */
export class Place {
  readonly list: ProblemList;
  readonly #above: Place | null;
  readonly #name: string | number;

  constructor(list: ProblemList, name: string | number, above: Place | null = null) {
    this.list = list;
    this.#name = name;
    this.#above = above;
  }

  /** The place of a member or array item below this one. */
  at(name: string | number): Place {
    return new Place(this.list, name, this);
  }

  get field(): string {
    return joinField(this.#above?.field ?? '', this.#name);
  }

  /** Notes a problem with this place itself. */
  add(value: unknown, message: string): void {
    if (!this.list.full) this.list.add(this.field, value, message);
  }

  /** Notes a problem with the member `name` of this place. */
  addMember(name: string | number, value: unknown, message: string): void {
    if (!this.list.full) this.list.add(joinField(this.field, name), value, message);
  }
}

/** `tags` and 2 to `tags[2]`, `tags[2]` and `key` to `tags[2].key`. */
export function joinField(path: string, name: string | number): string {
  if (typeof name === 'number') return `${path}[${name}]`;
  return path === '' ? shortenText(name) : name === '' ? path : `${path}.${shortenText(name)}`;
}
