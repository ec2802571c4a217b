/** First pass of a load: reads every file to its end, finds every problem, and which groups the records are of. */
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import { propertyBytes, propertyBytesMax } from '../property/protobuf-size.ts';
import { type FileProblem, readRecords } from '../property/read-records.ts';
import { type LoadRecord, stampRecord } from '../property/record.ts';
import type { Spelling } from '../property/source-json.ts';
import { readGroupSettings, settingDiffers } from '../property-index/data-root.ts';
import type { InputFile, LoadInput } from './load-input.ts';

/** Problems that are listed; more of them would not be read by anybody, and a file could hold millions. */
const problemsListedMax = 10_000;

/** Groups of one load: each is a folder with a database per shard, and names that differ per record are a mistake. */
const groupsMax = 1_000;

const int64Max = 2n ** 63n - 1n;

export interface CheckedRecords {
  readonly records: number;
  /** Groups in the order of their first record, with the spelling of their first stored text. */
  readonly groups: ReadonlyMap<string, Spelling | null>;
  /** The first of them, in the order of the input. */
  readonly problems: readonly FileProblem[];
  readonly problemCount: number;
}

/** Settings that were given on the command line. */
export type GivenSettings = Partial<GroupSettings>;

/** Reads and checks all records. Throws only what reading the files throws. */
export async function checkRecords(
  input: LoadInput,
  signal: AbortSignal,
  onRecord: (records: number) => void,
): Promise<CheckedRecords> {
  const groups = new Map<string, Spelling | null>();
  const problems: FileProblem[] = [];
  let problemCount = 0;
  let records = 0;
  for (const file of input.files) {
    for await (const line of readRecords(file.name, input.chunks(file, signal))) {
      throwIfAborted(signal);
      const found = 'problems' in line ? line.problems : placeProblems(file, line.line, line.record, groups);
      problemCount += found.length;
      problems.push(...found.slice(0, problemsListedMax - problems.length));
      if (found.length > 0) continue;
      records += 1;
      onRecord(records);
    }
  }
  return { records, groups, problems, problemCount };
}

/** Notes the group of a good record; what is wrong with it here and not in itself. */
function placeProblems(
  { name: file }: InputFile,
  line: number,
  record: LoadRecord,
  groups: Map<string, Spelling | null>,
): FileProblem[] {
  const { group } = record.property;
  const known = groups.get(group);
  if (known === undefined && groups.size >= groupsMax) {
    return [
      {
        file,
        line,
        field: 'metadata.group',
        value: group,
        message: `is one of more than ${groupsMax} groups`,
      },
    ];
  }
  groups.set(group, known ?? record.spelling);
  const bytes = storedBytes(record);
  if (bytes <= propertyBytesMax) return [];
  const message = `the property has ${bytes} bytes with its revisions and times, more than ${propertyBytesMax}`;
  return [{ file, line, field: '', value: record.property.id, message }];
}

// What is filled in when a record is stored makes it larger.
function storedBytes(record: LoadRecord): number {
  if (record.stamped) return propertyBytes(record.property);
  return propertyBytes(stampRecord(record, { revision: int64Max, previousCreateRevision: int64Max }));
}

/** The error that lists the problems; its own place is that of the first. */
export function problemsError({ problems, problemCount }: CheckedRecords): CodedError {
  const [first] = problems;
  const files = new Set(problems.map(({ file }) => file)).size;
  const listed = problemCount > problems.length ? `; the first ${problems.length} are listed` : '';
  return new CodedError(
    'bad-records',
    `${problemCount} ${problemCount === 1 ? 'problem' : 'problems'} in ${files} ${files === 1 ? 'file' : 'files'}, nothing was loaded${listed}`,
    { ...first, problemCount, problems },
  );
}

/**
 * The settings each group is loaded with: those it has, else those given, else the defaults. Throws
 * `settings-differ` where a set value was given anew. Changes nothing.
 */
export async function settleSettings(
  root: string,
  groups: ReadonlyMap<string, Spelling | null>,
  given: GivenSettings,
  defaults: Pick<GroupSettings, 'shards' | 'slots'>,
): Promise<Map<string, GroupSettings>> {
  const settled = new Map<string, GroupSettings>();
  for (const [group, spelling] of groups) {
    const set = await readGroupSettings(root, group);
    for (const name of ['shards', 'slots', 'spelling'] as const) {
      const value = given[name];
      if (set !== null && value !== undefined && set[name] !== value)
        throw settingDiffers(root, group, name, set[name], value);
    }
    settled.set(group, set ?? { ...defaults, spelling: spelling ?? 'compact', ...given });
  }
  return settled;
}
