/** What verbs say of messages to and from peers, seen by a peer. */
import { expect, test } from 'vitest';
import { wireOf } from '../../src/commands/wire-options.ts';
import { defaultWireLimits } from '../../src/peer/wire-limits.ts';
import { RawPeer } from '../support/raw-peer.ts';
import { runCli } from '../support/run-cli.ts';

const mebibyte = 1024 * 1024;

/** An answer that says it has five MiB, and has them. */
const fiveMebibytes = Buffer.alloc(5 + 5 * mebibyte);
fiveMebibytes.writeUInt32BE(5 * mebibyte, 1);

test('messages are compressed where a verb is told to', async () => {
  await using peer = await RawPeer.start(Buffer.alloc(5));
  for (const more of [[], ['--wire-compression']]) await runCli(['inspect', peer.place, '--json', ...more]);
  const encodings = peer.asked.map((headers) => headers['grpc-encoding'] ?? null);
  expect([...new Set(encodings)]).toEqual([null, 'gzip']);
});

test('a message of a peer is accepted up to the ceiling that a verb is told', async () => {
  await using peer = await RawPeer.start(fiveMebibytes);
  const codeOf = async (...more: string[]): Promise<unknown> => {
    const { lines } = await runCli(['inspect', peer.place, '--json', ...more]);
    return (lines.at(-1) as { error?: { code: unknown } }).error?.code;
  };
  expect(await codeOf('--wire-accept-max', '4')).toBe('too-large');
  // Five MiB of zeros are accepted, and are no answer.
  expect(await codeOf()).toBe('bad-message');
});

test('a ceiling of what is sent is that of the connection, and all are by default as everywhere', () => {
  expect(wireOf({ wireSendMax: 3 }).limits?.sendBytesMax).toBe(3 * mebibyte);
  const { sendBytesMax, acceptBytesMax } = defaultWireLimits;
  expect(wireOf({})).toEqual({ limits: { sendBytesMax, acceptBytesMax }, compression: false });
});

test.each([
  ['--wire-send-max', '1'],
  ['--wire-send-max', '33'],
  ['--wire-accept-max', '3'],
  ['--wire-accept-max', 'many'],
])('%s %s is refused', async (flag, value) => {
  const { code, lines } = await runCli(['audit', '127.0.0.1:1', '127.0.0.1:2', '--json', flag, value]);
  expect(code).toBe(2);
  expect(lines.at(-1)).toMatchObject({ error: { code: 'bad-argument', field: flag.slice(2), value } });
});
