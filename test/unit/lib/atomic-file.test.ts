import { existsSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeDirectory } from '../../../src/lib/atomic-file.ts';
import { CodedError } from '../../../src/lib/coded-error.ts';

describe('makeDirectory', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'atomic-file-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  it('makes a folder with its parents, also by several at once, and leaves one that is there', async () => {
    const path = join(root, 'a', 'b', 'c');
    await Promise.all([makeDirectory(path), makeDirectory(path), makeDirectory(join(root, 'a', 'b', 'd'))]);
    await makeDirectory(path);
    expect(existsSync(path)).toBe(true);
    expect(existsSync(join(root, 'a', 'b', 'd'))).toBe(true);
  });

  it('takes a link to a folder for one, and refuses a file and a link to nothing in its way', async () => {
    symlinkSync(root, join(root, 'link'));
    await makeDirectory(join(root, 'link', 'a'));
    expect(existsSync(join(root, 'a'))).toBe(true);
    writeFileSync(join(root, 'file'), '');
    symlinkSync(join(root, 'nothing'), join(root, 'dangling'));
    await expect(makeDirectory(join(root, 'file'))).rejects.toThrow('EEXIST');
    await expect(makeDirectory(join(root, 'file', 'a'))).rejects.toThrow('ENOTDIR');
    await expect(makeDirectory(join(root, 'dangling', 'a'))).rejects.toThrow('EEXIST');
  });

  // The kernel says ENOENT there although the parent exists.
  it.skipIf(process.platform !== 'linux')('ends where a folder takes no others', async () => {
    const path = '/proc/tallystick/data';
    const error = await makeDirectory(path).catch(CodedError.from);
    expect(error).toMatchObject({ code: 'io', details: { errno: 'ENOENT', path: '/proc/tallystick' } });
  });
});
