import { appendFile, mkdtemp, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FileReader, fileReadBytesMax } from '../../../src/lib/file-reader.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallystick-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function write(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

test('reads by position, also after the name is gone', async () => {
  const path = await write('kept', '0123456789');
  await using file = await FileReader.open(path);
  await unlink(path);
  expect(file.path).toBe(path);
  expect(file.size).toBe(10);
  expect((await file.read(3, 4)).toString()).toBe('3456');
  expect((await file.read(10, 0)).length).toBe(0);
  const [first, second] = await Promise.all([file.read(0, 2), file.read(8, 2)]);
  expect(`${first}${second}`).toBe('0189');
});

test.each([
  [8, 4, { wanted: 4, got: 2 }],
  [11, 1, { wanted: 1, got: 0 }],
  [0, fileReadBytesMax + 1, { wanted: fileReadBytesMax + 1, ceiling: fileReadBytesMax }],
  [0, Number.MAX_VALUE, { got: 0 }],
  [-1, 1, { wanted: 1, got: 0 }],
  [0, -1, { got: 0 }],
  [0.5, 1, { got: 0 }],
])('a read of bytes that are not there is damage: from %d, %d bytes', async (offset, length, numbers) => {
  const path = await write('short', '0123456789');
  await using file = await FileReader.open(path);
  await expect(file.read(offset, length)).rejects.toMatchObject({
    code: 'damaged-file',
    details: { path, offset, ...numbers },
  });
});

test('a file that shrinks or grows while it is open never gives other bytes than it has', async () => {
  const path = await write('changing', '0123456789');
  await using file = await FileReader.open(path);
  await truncate(path, 4);
  await expect(file.read(2, 6)).rejects.toMatchObject({
    code: 'damaged-file',
    details: { wanted: 6, got: 2 },
  });
  await appendFile(path, 'abcdefghijkl');
  expect((await file.read(2, 4)).toString()).toBe('23ab');
  await expect(file.read(8, 4)).rejects.toMatchObject({ code: 'damaged-file' });
});

test('says what cannot be opened', async () => {
  await expect(FileReader.open(join(directory, 'nowhere'))).rejects.toMatchObject({ code: 'not-found' });
  await expect(FileReader.open(directory)).rejects.toMatchObject({ code: 'bad-argument' });
  const path = await write('plain', '');
  await expect(FileReader.open(join(path, 'below'))).rejects.toMatchObject({ code: 'io' });
});

test('can be disposed twice, and is closed then', async () => {
  const file = await FileReader.open(await write('closed', 'x'));
  await file[Symbol.asyncDispose]();
  await file[Symbol.asyncDispose]();
  await expect(file.read(0, 1)).rejects.toMatchObject({ code: 'io' });
});
