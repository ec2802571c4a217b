/**
 * Where things lie in a data root, and the settings of its groups.
 *
 *   <root>/data/<group>/group.json                  settings, set once (slots may be changed)
 *   <root>/data/<group>/shard-<n>/property.db       the property index of a shard
 *   <root>/trees/<group>/shard-<n>/…                derived: trees, owned by tree/
 */
import { isErrno } from '../lib/errno.ts';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory, writeFileAtomic } from '../lib/atomic-file.ts';
import { CodedError } from '../lib/coded-error.ts';
import { crashPoint } from '../lib/crash-point.ts';
import { checkGroupName, checkGroupSettings, type GroupSettings } from '../property/group-settings.ts';

/** Version of group.json. */
const settingsFormatVersion = 1;

export function groupDirectory(root: string, group: string): string {
  checkGroupName(group);
  return join(root, 'data', group);
}

export function shardDirectory(root: string, group: string, shard: number): string {
  return join(groupDirectory(root, group), `shard-${shard}`);
}

export function databasePath(root: string, group: string, shard: number): string {
  return join(shardDirectory(root, group, shard), 'property.db');
}

export function treeDirectory(root: string, group: string, shard: number): string {
  checkGroupName(group);
  return join(root, 'trees', group, `shard-${shard}`);
}

function settingsPath(root: string, group: string): string {
  return join(groupDirectory(root, group), 'group.json');
}

/** What an empty volume of Linux holds. */
const volumeFolder = 'lost+found';

/** Whether a folder can be a data root: empty, also as a volume is that was just made, or holding `data` or `trees`. */
export async function isDataRoot(directory: string): Promise<boolean> {
  const names = await readdir(directory);
  return names.includes('data') || names.includes('trees') || names.every((name) => name === volumeFolder);
}

/** Names of the groups of a data root in byte order; none when the root has no data yet. */
export async function listGroups(root: string): Promise<string[]> {
  const entries = await readdir(join(root, 'data'), { withFileTypes: true }).catch(ignoreAbsent);
  const groups: string[] = [];
  for (const entry of entries ?? []) {
    if (
      entry.isDirectory() &&
      isGroupName(entry.name) &&
      (await readGroupSettings(root, entry.name)) !== null
    )
      groups.push(entry.name);
  }
  return groups.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

// Folders of the file system or of other tools may lie beside the groups.
function isGroupName(name: string): boolean {
  try {
    checkGroupName(name);
    return true;
  } catch (error) {
    if (error instanceof CodedError) return false;
    throw error;
  }
}

/** Settings of a group, or null where the group is absent. Throws `damaged-file`, `newer-format`. */
export async function readGroupSettings(root: string, group: string): Promise<GroupSettings | null> {
  const path = settingsPath(root, group);
  const text =
    (await readFile(path, 'utf8').catch(ignoreAbsent)) ?? (await readBesideShards(root, group, path));
  return text === null ? null : parseSettings(path, text);
}

// Databases without their settings file are damage, not an absent group: creating the group anew could place
// entities elsewhere. Settings are there before the first shard, so where another process created both between
// the two looks, the second finds them.
async function readBesideShards(root: string, group: string, path: string): Promise<string | null> {
  const names = (await readdir(groupDirectory(root, group)).catch(ignoreAbsent)) ?? [];
  const shard = names.find((name) => name.startsWith('shard-'));
  if (shard === undefined) return null;
  const text = await readFile(path, 'utf8').catch(ignoreAbsent);
  if (text !== undefined) return text;
  throw new CodedError('damaged-file', `group ${group} has ${shard} but no settings: ${path} is gone`, {
    path,
  });
}

function parseSettings(path: string, text: string): GroupSettings {
  const damaged = (why: string, cause?: unknown) =>
    new CodedError('damaged-file', `settings file ${path} is damaged: ${why}`, { path }, { cause });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged('it is no JSON', error);
  }
  if (typeof value !== 'object' || value === null) throw damaged('it is no object');
  const { formatVersion, shards, slots, spelling } = value as Record<string, unknown>;
  if (typeof formatVersion === 'number' && formatVersion > settingsFormatVersion) {
    throw new CodedError('newer-format', `settings file ${path} has format version ${formatVersion}`, {
      path,
    });
  }
  if (formatVersion !== settingsFormatVersion)
    throw damaged(`format version ${JSON.stringify(formatVersion)}`);
  if (typeof shards !== 'number' || typeof slots !== 'number') throw damaged('shards or slots is no number');
  if (spelling !== 'compact' && spelling !== 'spaced') throw damaged(`spelling ${JSON.stringify(spelling)}`);
  try {
    checkGroupSettings({ shards, slots });
  } catch (error) {
    throw damaged((error as Error).message, error);
  }
  return { shards, slots, spelling };
}

function settingsText(settings: GroupSettings): string {
  const { shards, slots, spelling } = settings;
  return `${JSON.stringify({ formatVersion: settingsFormatVersion, shards, slots, spelling })}\n`;
}

/**
 * Creates a group, or finds it as it is. Returns the settings in force, which may be another creator's.
 * Throws `settings-differ` when they have another shard count or slot count than wanted, otherwise as {@link readGroupSettings}.
 */
export async function createGroup(
  root: string,
  group: string,
  wanted: GroupSettings,
): Promise<GroupSettings> {
  checkGroupSettings(wanted);
  let settings = await readGroupSettings(root, group);
  if (settings === null) {
    crashPoint('settings:create');
    await makeDirectory(groupDirectory(root, group));
    crashPoint('settings:folder');
    await writeFileAtomic(settingsPath(root, group), settingsText(wanted), { exclusive: true });
    crashPoint('settings:created');
    settings = await readGroupSettings(root, group);
  }
  if (settings === null)
    throw new CodedError('io', `group ${group} vanished while it was created`, { group });
  for (const name of ['shards', 'slots'] as const) {
    if (settings[name] !== wanted[name])
      throw settingDiffers(root, group, name, settings[name], wanted[name]);
  }
  return settings;
}

/** The error for a set value given anew. */
export function settingDiffers(
  root: string,
  group: string,
  name: string,
  set: unknown,
  given: unknown,
): CodedError {
  return new CodedError('settings-differ', `group ${group} of ${root} has ${name} ${set}, not ${given}`, {
    group,
    field: name,
    value: given,
    set,
  });
}

/** Changes the slot count of a group; its trees are stale from then on. Throws `not-found`. */
export async function changeSlots(root: string, group: string, slots: number): Promise<GroupSettings> {
  const settings = await readGroupSettings(root, group);
  if (settings === null) throw new CodedError('not-found', `${root} has no group ${group}`, { group });
  const changed = { ...settings, slots };
  checkGroupSettings(changed);
  if (slots !== settings.slots) {
    crashPoint('settings:change');
    await writeFileAtomic(settingsPath(root, group), settingsText(changed));
    crashPoint('settings:changed');
  }
  return changed;
}

function ignoreAbsent(error: unknown): undefined {
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
  throw error;
}
