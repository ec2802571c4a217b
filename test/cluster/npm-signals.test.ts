/** What ends `npm run tallystick -- serve` ends the replica too, and leaves no process behind that holds its ports. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { isErrno } from '../../src/lib/errno.ts';

test('SIGTERM to npm drains the replica that it runs', { timeout: 60_000 }, async () => {
  const root = mkdtempSync(join(tmpdir(), 'npm-signals-'));
  const args = ['run', '--silent', 'tallystick', '--', 'serve', '--root', root, '--listen', '127.0.0.1:0'];
  // A process group of its own, so that nothing outlives a test that failed.
  const npm = spawn('npm', args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    let remarks = '';
    npm.stderr.on('data', (chunk) => {
      remarks += chunk;
    });
    const [ready] = await once(createInterface({ input: npm.stdout }), 'line');
    expect(JSON.parse(ready)).toHaveProperty('ready.listen');
    npm.kill('SIGTERM');
    // The streams close when the last process that holds them has ended, be it npm or what it left behind.
    await once(npm, 'close', { signal: AbortSignal.timeout(15_000) });
    expect(remarks).toContain('"msg":"stopped"');
  } finally {
    endGroup(npm.pid);
    rmSync(root, { recursive: true, force: true });
  }
});

/** Kills what is left of a process group, if anything is. */
function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}
