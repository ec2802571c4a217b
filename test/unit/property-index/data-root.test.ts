/** Groups of a data root and their settings files. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { GroupSettings } from '../../../src/property/group-settings.ts';
import {
  changeSlots,
  createGroup,
  databasePath,
  isDataRoot,
  listGroups,
  readGroupSettings,
  shardDirectory,
  treeDirectory,
} from '../../../src/property-index/data-root.ts';

const settings: GroupSettings = { shards: 2, slots: 32, spelling: 'compact' };
const text = (change: Record<string, unknown>) =>
  JSON.stringify({ formatVersion: 1, ...settings, ...change });

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tallystick-'));
});
afterEach(() => rm(root, { recursive: true }));

const settingsPath = () => join(root, 'data', 'g', 'group.json');

describe('a group', () => {
  test('is created once, and found as it was', async () => {
    expect(await readGroupSettings(root, 'g')).toBe(null);
    expect(await createGroup(root, 'g', settings)).toEqual(settings);
    expect(await createGroup(root, 'g', { ...settings, spelling: 'spaced' })).toEqual(settings);
    expect(await readGroupSettings(root, 'g')).toEqual(settings);
    expect(await readdir(join(root, 'data', 'g'))).toEqual(['group.json']);
  });

  test.each([{ shards: 3 }, { slots: 64 }])(
    'is not taken for one with other settings: %o',
    async (change) => {
      await createGroup(root, 'g', settings);
      await expect(createGroup(root, 'g', { ...settings, ...change })).rejects.toMatchObject({
        code: 'settings-differ',
      });
      expect(await readGroupSettings(root, 'g')).toEqual(settings);
    },
  );

  test.each([{ shards: 0 }, { shards: 4_097 }, { slots: 0 }, { slots: 48 }, { slots: 131_072 }])(
    'is not created with %o',
    async (change) => {
      await expect(createGroup(root, 'g', { ...settings, ...change })).rejects.toMatchObject({
        code: 'bad-argument',
      });
      expect(await readdir(root)).toEqual([]);
    },
  );

  test('has its slots changed', async () => {
    await expect(changeSlots(root, 'g', 64)).rejects.toMatchObject({ code: 'not-found' });
    await createGroup(root, 'g', settings);
    await expect(changeSlots(root, 'g', 63)).rejects.toMatchObject({ code: 'bad-argument' });
    expect(await changeSlots(root, 'g', 64)).toEqual({ ...settings, slots: 64 });
    expect(await readGroupSettings(root, 'g')).toEqual({ ...settings, slots: 64 });
  });

  test('whose settings are gone while it has shards is damaged, and not created anew', async () => {
    await mkdir(join(root, 'data', 'g', 'shard-1'), { recursive: true });
    await expect(readGroupSettings(root, 'g')).rejects.toMatchObject({
      code: 'damaged-file',
      details: { path: settingsPath() },
    });
    await expect(createGroup(root, 'g', settings)).rejects.toMatchObject({ code: 'damaged-file' });
    expect(await readdir(join(root, 'data', 'g'))).toEqual(['shard-1']);
  });

  test.each<[string, string, string]>([
    ['nothing', '', 'damaged-file'],
    ['half of it', text({}).slice(0, 20), 'damaged-file'],
    ['null', 'null', 'damaged-file'],
    ['a list', '[]', 'damaged-file'],
    ['no format version', JSON.stringify(settings), 'damaged-file'],
    ['format version 0', text({ formatVersion: 0 }), 'damaged-file'],
    ['format version "2"', text({ formatVersion: '2' }), 'damaged-file'],
    ['format version 2', text({ formatVersion: 2 }), 'newer-format'],
    ['shards as text', text({ shards: '2' }), 'damaged-file'],
    ['no slots', text({ slots: undefined }), 'damaged-file'],
    ['half a shard', text({ shards: 1.5 }), 'damaged-file'],
    ['odd slots', text({ slots: 33 }), 'damaged-file'],
    ['another spelling', text({ spelling: 'loud' }), 'damaged-file'],
  ])('with a settings file of %s is refused and left as it is', async (_, content, code) => {
    await createGroup(root, 'g', settings);
    await writeFile(settingsPath(), content);
    const named = { code, message: expect.stringContaining(settingsPath()) };
    await expect(readGroupSettings(root, 'g')).rejects.toMatchObject(named);
    await expect(createGroup(root, 'g', settings)).rejects.toMatchObject(named);
    await expect(changeSlots(root, 'g', 64)).rejects.toMatchObject(named);
    await expect(listGroups(root)).rejects.toMatchObject(named);
    expect(await readFile(settingsPath(), 'utf8')).toBe(content);
  });
});

describe('a name', () => {
  test.each([
    '',
    '.',
    '..',
    '../x',
    'a/b',
    'a\\b',
    '.hidden',
    'a\u0000',
    'a\n',
    'C:',
    'a*',
    'a.',
    'a ',
    'x'.repeat(201),
    '\ud800',
    'CON',
    'nul.txt',
    'Com1',
    'lpt³',
  ])('that is unsafe as a path is refused: %j', async (group) => {
    const refused = expect.objectContaining({ code: 'bad-argument' });
    expect(() => databasePath(root, group, 0)).toThrow(refused);
    expect(() => shardDirectory(root, group, 0)).toThrow(refused);
    expect(() => treeDirectory(root, group, 0)).toThrow(refused);
    await expect(readGroupSettings(root, group)).rejects.toThrow(refused);
    await expect(createGroup(root, group, settings)).rejects.toThrow(refused);
    expect(await readdir(root)).toEqual([]);
  });
});

test.each(['console', 'com', 'com10', 'a.con', 'é', 'e\u0301', '\u202ea'])(
  'a name that only looks so is one: %j',
  async (group) => {
    expect(await createGroup(root, group, settings)).toEqual(settings);
    expect(await listGroups(root)).toEqual([group]);
  },
);

describe('a data root', () => {
  test('is an empty folder, or one with data or trees', async () => {
    expect(await isDataRoot(root)).toBe(true);
    await mkdir(join(root, 'lost+found'));
    expect(await isDataRoot(root)).toBe(true);
    await writeFile(join(root, 'letter.txt'), '');
    expect(await isDataRoot(root)).toBe(false);
    await mkdir(join(root, 'trees'));
    expect(await isDataRoot(root)).toBe(true);
  });

  test('lists its groups in byte order, and no folder that is none', async () => {
    expect(await listGroups(root)).toEqual([]);
    for (const group of ['b', 'a', 'é', '😀', '\uffee', 'B']) await createGroup(root, group, settings);
    for (const name of ['empty', '.snapshot', 'lost ']) await mkdir(join(root, 'data', name));
    await writeFile(join(root, 'data', 'file'), '');
    expect(await listGroups(root)).toEqual(['B', 'a', 'b', 'é', '\uffee', '😀']);
  });
});
